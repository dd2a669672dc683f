//! What the signatures of several clouds have in common: SHA-256, HMAC and the canonical forms of a request.
//!
//! A cloud's own scheme is in its adapter. AWS signs by the kept crate `aws-sigv4` instead.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Request};
use sha2::{Digest as _, Sha256};

use crate::wire::encode;

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

/// HMAC-SHA-256.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        // HMAC takes keys of every length.
        Err(_) => Vec::new(),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| DIGITS.get(usize::from(half)))
        .collect()
}

/// A query as it is signed, and as it may be sent: sorted by name, then value; all but RFC 3986's unreserved escaped.
pub fn canonical_query<K: AsRef<str>, V: AsRef<str>>(parameters: &[(K, V)]) -> String {
    let mut pairs: Vec<(&str, &str)> = parameters.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Headers as they are signed: `name:value\n` for each in order, and their names joined by `;`.
pub fn canonical_headers(headers: &HeaderMap) -> (String, String) {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let value =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let lines = names.iter().map(|name| format!("{name}:{}\n", value(name))).collect();
    (lines, names.join(";"))
}

/// A request as these clouds sign it, with all the headers it has so far; its query must be in canonical form. Also the names
/// of those headers.
pub fn canonical_request(request: &Request<Bytes>, path: &str, payload_hash: &str) -> (String, String) {
    let (headers, names) = canonical_headers(request.headers());
    let query = request.uri().query().unwrap_or_default();
    let canonical = [request.method().as_str(), path, query, &headers, &names, payload_hash].join("\n");
    (canonical, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        // FIPS 180-4, "abc"; RFC 4231, test case 2.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mac = hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn queries_are_sorted_and_escaped() {
        assert_eq!(canonical_query(&[("b", "x y"), ("a", "é"), ("a", "~*")]), "a=~%2A&a=%C3%A9&b=x%20y");
    }
}
