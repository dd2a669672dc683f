//! TC3-HMAC-SHA256 ("Signature v3", Tencent Cloud API documentation).

use http::Request;
use lepton_cloud::Credentials;
use lepton_cloud::sign::{hex, hmac_sha256, sha256_hex};
use lepton_cloud::wire::format_time;
use lepton_model::Timestamp;

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The header `Authorization` for a POST to `/`. Signed are its body and the headers `content-type` and `host`.
pub(crate) fn authorization(
    request: &Request<bytes::Bytes>,
    credentials: &Credentials,
    service: &str,
    at: Timestamp,
) -> String {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let signed = format!("content-type:{}\nhost:{}\n", header("content-type"), header("host"));
    let hash = sha256_hex(request.body());
    let canonical = ["POST", "/", "", &signed, "content-type;host", &hash].join("\n");
    let date = format_time(at, "%Y-%m-%d");
    let scope = format!("{date}/{service}/tc3_request");
    let seconds = at.as_millis() / 1_000;
    let to_sign = format!("{ALGORITHM}\n{seconds}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let secret = format!("TC3{}", credentials.secret.expose());
    let key = hmac_sha256(secret.as_bytes(), date.as_bytes());
    let key = hmac_sha256(&key, service.as_bytes());
    let key = hmac_sha256(&key, b"tc3_request");
    let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders=content-type;host, Signature={signature}",
        credentials.key_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's SDK (tencentcloud-sdk-python 3.1.178) signed the same request with the same key.
    #[test]
    fn signs_as_the_vendor_does() {
        let body =
            r#"{"Filters": [{"Name": "zone", "Values": ["ap-guangzhou-3"]}], "Offset": 0, "Limit": 20}"#;
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("host", "127.0.0.1:5061")
            .body(bytes::Bytes::from_static(body.as_bytes()))
            .unwrap_or_default();
        let credentials =
            Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
        let signed = authorization(&request, &credentials, "cvm", Timestamp::from_millis(1_767_323_045_000));
        let vendor = "e3dd4f63d63325326384ca18baff1a39cebc6015ea61b74b8b04164382371f27";
        assert!(signed.ends_with(&format!(", Signature={vendor}")), "{signed}");
    }
}
