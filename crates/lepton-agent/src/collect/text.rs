//! Reading numbers and words out of the kernel's text, as bytes, without allocating.

/// Lines, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, &[][..]),
        };
        rest = next;
        Some(line)
    })
}

/// Words between blanks.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A decimal number. Counters above 2⁵³ lose their last bits, as they would in any sample.
pub fn number(word: &[u8]) -> Option<f64> {
    integer(word).map(|n| n as f64).or_else(|| {
        let text = std::str::from_utf8(word).ok()?;
        // `parse` also takes "nan" and "inf", which no kernel file means as a number.
        text.bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e'))
            .then(|| text.parse().ok())?
    })
}

/// An unsigned decimal number.
pub fn integer(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// An unsigned hexadecimal number.
pub fn hexadecimal(word: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()
}

/// Text of a label; bytes that are not UTF-8 are replaced.
pub fn label(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `before` and `after` the first `byte`.
pub fn split_once(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(number(text.as_bytes()), expect, "{text:?}");
        check("0", Some(0.0));
        check("18446744073709551615", Some(18_446_744_073_709_551_615.0));
        check("18446744073709551616", Some(18_446_744_073_709_551_616.0));
        check("0.25", Some(0.25));
        check("-1", Some(-1.0));
        check("", None);
        check("nan", None);
        check("12kB", None);
        check("--", None);
    }

    #[test]
    fn lines_and_words_lose_nothing() {
        assert_eq!(lines(b"a b\n\nc").collect::<Vec<_>>(), [&b"a b"[..], b"", b"c"]);
        assert_eq!(words(b"  a\tb  ").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(split_once(b"key: 1", b':'), Some((&b"key"[..], &b" 1"[..])));
        assert_eq!(split_once(b"key", b':'), None);
    }
}
