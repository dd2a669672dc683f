//! ACS3-HMAC-SHA256 ("Request syntax and signature method V3", Alibaba Cloud OpenAPI documentation).

use bytes::Bytes;
use http::Request;
use lepton_cloud::Credentials;
use lepton_cloud::sign::{canonical_request, hex, hmac_sha256, sha256_hex};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The header `Authorization` for a request with all the headers that are signed, and no others.
pub(crate) fn authorization(request: &Request<Bytes>, credentials: &Credentials) -> String {
    let hash = sha256_hex(request.body());
    let (canonical, names) = canonical_request(request, request.uri().path(), &hash);
    let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()));
    let signature = hex(&hmac_sha256(credentials.secret.expose().as_bytes(), to_sign.as_bytes()));
    format!("{ALGORITHM} Credential={},SignedHeaders={names},Signature={signature}", credentials.key_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's SDK (alibabacloud-tea-openapi 0.4.6) signed the same request with the same key.
    #[test]
    fn signs_as_the_vendor_does() {
        let request = Request::post("/?InstanceIds=%5B%22i-1%22%2C%22i%202%2F%C3%A9%22%5D&PageSize=10&RegionId=cn-hangzhou&Tag.1.Key=env&Tag.1.Value=prod~1%2A")
            .header("accept", "application/json")
            .header("host", "127.0.0.1:5060")
            .header("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2")
            .header("x-acs-action", "DescribeInstances")
            .header("x-acs-content-sha256", sha256_hex(b""))
            .header("x-acs-credentials-provider", "static_ak")
            .header("x-acs-date", "2026-01-02T03:04:05Z")
            .header("x-acs-signature-nonce", "00000000000000000000000000000001")
            .header("x-acs-version", "2014-05-26")
            .body(Bytes::new())
            .unwrap_or_default();
        let credentials =
            Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
        let signed = authorization(&request, &credentials);
        let vendor = "afe3be75ca8ebe3cdbb2bc0ce9585593136a761a9eefe4ae5b3430bf1b9481de";
        assert!(signed.ends_with(&format!(",Signature={vendor}")), "{signed}");
    }
}
