//! Token secrets: `lpt_` and 256 random bits in base64url. The server keeps only their SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::clock;

const PREFIX: &str = "lpt_";

/// A secret, to be shown once. It has no `Debug` and no `Display`, so that no log line can hold one.
pub(crate) struct Secret(String);

/// SHA-256 of a secret.
pub(crate) type Hash = [u8; 32];

impl Secret {
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(clock::secret_bits()?))))
    }

    /// Its hash, in the hexadecimal form that is stored.
    pub fn stored(&self) -> String {
        hash(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The text itself; the one way out.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// SHA-256 of a presented secret.
pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Reads the stored, hexadecimal form.
pub(crate) fn read_stored(text: &str) -> Option<Hash> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in out.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_found_again_by_its_stored_hash() {
        let secret = Secret::new().unwrap();
        let stored = secret.stored();
        let text = secret.reveal();
        assert_eq!(text.len(), PREFIX.len() + 43);
        assert_eq!(read_stored(&stored), Some(hash(&text)));
        assert_ne!(Secret::new().unwrap().reveal(), text);
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(read_stored(bad), None, "{bad}");
        }
    }
}
