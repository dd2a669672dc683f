//! SDK-HMAC-SHA256 ("AK/SK signing and authentication algorithm", Huawei Cloud API Gateway documentation).

use bytes::Bytes;
use http::Request;
use lepton_cloud::Credentials;
use lepton_cloud::sign::{canonical_request, hex, hmac_sha256, sha256_hex};

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// The header `Authorization` for a request with all the headers that are signed, and no others. `date` is that of its header
/// `x-sdk-date`.
pub(crate) fn authorization(request: &Request<Bytes>, credentials: &Credentials, date: &str) -> String {
    // Paths are signed as if they ended in a slash.
    let path = format!("{}/", request.uri().path().trim_end_matches('/'));
    let (canonical, names) = canonical_request(request, &path, &sha256_hex(request.body()));
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", sha256_hex(canonical.as_bytes()));
    let signature = hex(&hmac_sha256(credentials.secret.expose().as_bytes(), to_sign.as_bytes()));
    format!("{ALGORITHM} Access={}, SignedHeaders={names}, Signature={signature}", credentials.key_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's SDK (huaweicloudsdkcore 3.1) signed the same request with the same key.
    #[test]
    fn signs_as_the_vendor_does() {
        let project = "0123456789abcdef0123456789abcdef";
        let uri = format!("/v1/{project}/cloudservers/detail?limit=10&name=web%201&offset=1&tags=env%3Dprod");
        let agent = "huaweicloud-usdk-python/3.0; os/Linux##1_SMP_PREEMPT_DYNAMIC_@0#x86_64 python/3.11.7 impl/CPython; app/0b189712-82e4-4e92-9d6d-d4faa92b9612";
        let request = Request::get(uri)
            .header("content-type", "application/json")
            .header("host", "127.0.0.1:5062")
            .header("user-agent", agent)
            .header("x-project-id", project)
            .header("x-sdk-date", "20260102T030405Z")
            .body(Bytes::new())
            .unwrap_or_default();
        let credentials =
            Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
        let signed = authorization(&request, &credentials, "20260102T030405Z");
        let vendor = "1ee133569d44253d4c09875385736fb8355ab20733952f7fe0d13e00c44af42e";
        assert!(signed.ends_with(&format!(", Signature={vendor}")), "{signed}");
    }
}
