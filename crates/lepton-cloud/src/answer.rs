//! What the answers of several clouds have in common.

use std::net::IpAddr;

use lepton_model::{Bytes, Timestamp};
use serde::{Deserialize, Deserializer};

/// For fields that some APIs write as `null` where they have nothing, in lists and texts alike.
///
/// # Errors
/// What is neither `null` nor a value.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// A text that is empty where there is nothing.
pub fn some<T>(text: String, make: impl FnOnce(String) -> T) -> Option<T> {
    (!text.is_empty()).then(|| make(text))
}

/// RFC 3339, with or without seconds; some services leave out the `Z`, and mean it.
pub fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// A size that is told in GiB.
pub fn gibi(size: u64) -> Bytes {
    Bytes::mebi(size.min(1 << 30) * 1_024)
}

/// Addresses; what is none is left out.
pub fn addresses(texts: impl IntoIterator<Item: AsRef<str>>) -> Vec<IpAddr> {
    texts.into_iter().filter_map(|text| text.as_ref().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_clouds_write_them() {
        let check = |text: &str, expect: &str| {
            assert_eq!(time(text).map(|at| at.to_string()).unwrap_or_default(), expect, "{text}");
        };
        check("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z");
        check("2026-01-02T03:04Z", "2026-01-02T03:04:00.000Z");
        check("2026-01-02T11:04:05+08:00", "2026-01-02T03:04:05.000Z");
        check("2026-01-02T03:04:05.000000", "2026-01-02T03:04:05.000Z");
        check("", "");
        check("yesterday", "");
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        assert_eq!(gibi(20), Bytes::mebi(20 << 10));
        assert!(gibi(u64::MAX) > Bytes::mebi(1 << 30));
    }
}
