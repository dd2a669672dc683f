//! Variable-length integers (LEB128) and zigzag, shared by chunks, the log and block indexes.

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

/// Takes one integer off the front of `input`; `None` when it is cut short or longer than 64 bits.
#[inline]
pub(crate) fn take(input: &mut &[u8]) -> Option<u64> {
    let (first, mut rest) = input.split_first()?;
    let mut value = u64::from(*first);
    if value >= 0x80 {
        value &= 0x7f;
        let mut shift = 7;
        loop {
            let (byte, tail) = rest.split_first()?;
            rest = tail;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if *byte < 0x80 {
                break;
            }
            shift += 7;
        }
    }
    *input = rest;
    Some(value)
}

#[inline]
pub(crate) fn take_signed(input: &mut &[u8]) -> Option<i64> {
    take(input).map(unzigzag)
}

/// Takes `count` bytes off the front of `input`.
#[inline]
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (head, tail) = input.split_at_checked(usize::try_from(count).ok()?)?;
    *input = tail;
    Some(head)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(unsigned: u64, signed: i64, tail: Vec<u8>) {
            let mut out = Vec::new();
            put(&mut out, unsigned);
            put_signed(&mut out, signed);
            out.extend(&tail);
            let mut input = out.as_slice();
            prop_assert_eq!(take(&mut input), Some(unsigned));
            prop_assert_eq!(take_signed(&mut input), Some(signed));
            prop_assert_eq!(input, tail.as_slice());
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let mut input = bytes.as_slice();
            while take(&mut input).is_some() {}
        }
    }
}
