//! A tick on disk: which series are new, and the values of all, as differences from the tick before.
//!
//! A thousand host metrics change little in a second. Two bits say of each whether it is absent, unchanged, changed by
//! a whole number, or anything else; a tick of 1,200 series is about 1.5 KB instead of 20. Ticks of one segment build
//! on one another, and the first of each spells every series out, so that a segment reads without any other.
//!
//! ```text
//! flags:u8  stamp:zigzag  new:varint { slot length text }*  slots:varint  codes:2 bits each  values
//! ```

use lepton_model::Timestamp;

use crate::series::{ABSENT, SeriesTable, SeriesText, Slot, is_absent};

/// The first tick of its segment.
const FIRST: u8 = 1;
/// Gives a slot that was another series' to a new one.
const REPLACES: u8 = 2;

const CODE_ABSENT: u8 = 0;
const CODE_SAME: u8 = 1;
const CODE_WHOLE: u8 = 2;
const CODE_BITS: u8 = 3;

/// Most series a decoder takes.
const MAX_SLOTS: usize = 1 << 17;

/// Whole numbers up to here are exact in an `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why bytes are not a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TickError {
    /// They end too early, or a number or text in them is none.
    #[error("the tick is cut or garbled")]
    Malformed,
    /// More series than are taken.
    #[error("the tick names more than {MAX_SLOTS} series")]
    TooMany,
}

/// Writes ticks.
#[derive(Debug, Default)]
pub struct TickEncoder {
    last: Vec<f64>,
}

impl TickEncoder {
    /// Writes the table's running tick to `out`, as the `first` of a segment or as the next.
    pub fn encode(&mut self, table: &SeriesTable, stamp: Timestamp, first: bool, out: &mut Vec<u8>) {
        out.clear();
        let used = |slot: &Slot| self.last.get(slot.index()).is_some_and(|last| !is_absent(*last));
        let replaces = !first && table.defined().iter().any(used);
        out.push(if first { FIRST } else { 0 } | if replaces { REPLACES } else { 0 });
        put_signed(stamp.as_millis(), out);
        let texts = table.texts();
        if first {
            self.last.clear();
            let known = texts.iter().enumerate().filter_map(|(slot, text)| Some((slot, text.as_ref()?)));
            put(known.clone().count() as u64, out);
            known.for_each(|(slot, text)| put_text(slot, text, out));
        } else {
            let text = |slot: &Slot| Some((slot.index(), texts.get(slot.index())?.as_ref()?));
            put(table.defined().iter().filter_map(text).count() as u64, out);
            for (slot, text) in table.defined().iter().filter_map(text) {
                put_text(slot, text, out);
                if let Some(last) = self.last.get_mut(slot) {
                    *last = ABSENT;
                }
            }
        }
        let values = table.values();
        self.last.resize(values.len(), ABSENT);
        put(values.len() as u64, out);
        let codes = out.len();
        out.resize(codes + values.len().div_ceil(4), 0);
        for (at, (value, last)) in values.iter().zip(&mut self.last).enumerate() {
            let code = put_value(*value, last, out);
            if let Some(byte) = out.get_mut(codes + at / 4) {
                *byte |= code << (at % 4 * 2);
            }
        }
    }
}

/// Writes one value and returns its code.
fn put_value(value: f64, last: &mut f64, out: &mut Vec<u8>) -> u8 {
    if is_absent(value) {
        return CODE_ABSENT;
    }
    let before = std::mem::replace(last, value);
    if value.to_bits() == before.to_bits() {
        return CODE_SAME;
    }
    // What a slot starts from: small counters of a new series stay small on disk.
    let before = if is_absent(before) { 0.0 } else { before };
    match whole_difference(before, value) {
        Some(difference) => {
            put_signed(difference, out);
            CODE_WHOLE
        }
        None => {
            out.extend_from_slice(&value.to_le_bytes());
            CODE_BITS
        }
    }
}

/// The difference, when adding it gives back `to` exactly.
fn whole_difference(from: f64, to: f64) -> Option<i64> {
    let whole = |v: f64| v.abs() < EXACT && v.fract() == 0.0 && !(v == 0.0 && v.is_sign_negative());
    (whole(from) && whole(to)).then(|| to as i64 - from as i64)
}

fn put_text(slot: usize, text: &SeriesText, out: &mut Vec<u8>) {
    put(slot as u64, out);
    put(text.as_str().len() as u64, out);
    out.extend_from_slice(text.as_str().as_bytes());
}

fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(number: i64, out: &mut Vec<u8>) {
    put(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
}

/// Reads ticks, in the order they were written.
#[derive(Debug, Default)]
pub struct TickDecoder {
    texts: Vec<Option<SeriesText>>,
    last: Vec<f64>,
    values: Vec<f64>,
}

impl TickDecoder {
    /// Whether a tick gives slots to other series than before, so that it cannot share a batch with its predecessors.
    pub fn renames(payload: &[u8]) -> bool {
        payload.first().is_none_or(|flags| flags & (FIRST | REPLACES) != 0)
    }

    /// Whether a tick is the first of its segment, which builds on nothing before it.
    pub fn is_first(payload: &[u8]) -> bool {
        payload.first().is_some_and(|flags| flags & FIRST != 0)
    }

    /// Reads the next tick. Its values are [`Self::values`] until the next call.
    ///
    /// # Errors
    /// The bytes are no tick; the decoder is to be used again only from the first tick of a segment.
    pub fn decode(&mut self, payload: &[u8]) -> Result<Timestamp, TickError> {
        let mut input = Input(payload);
        let flags = input.byte()?;
        let stamp = Timestamp::from_millis(input.signed()?);
        if flags & FIRST != 0 {
            self.texts.clear();
            self.last.clear();
        }
        for _ in 0..input.count()? {
            let slot = input.count()?;
            let length = input.count()?;
            let text = std::str::from_utf8(input.take(length)?).map_err(|_| TickError::Malformed)?;
            let text = SeriesText::parse(text).ok_or(TickError::Malformed)?;
            if slot >= self.texts.len() {
                self.texts.resize(slot + 1, None);
            }
            if let Some(place) = self.texts.get_mut(slot) {
                *place = Some(text);
            }
            if let Some(last) = self.last.get_mut(slot) {
                *last = ABSENT;
            }
        }
        let slots = input.count()?;
        let codes = input.take(slots.div_ceil(4))?;
        self.last.resize(slots, ABSENT);
        self.values.clear();
        for (at, last) in self.last.iter_mut().enumerate() {
            let code = codes.get(at / 4).map_or(0, |byte| byte >> (at % 4 * 2) & 3);
            let value = match code {
                CODE_ABSENT => ABSENT,
                CODE_SAME => *last,
                CODE_WHOLE => {
                    let before = if is_absent(*last) { 0.0 } else { *last };
                    (before as i64).wrapping_add(input.signed()?) as f64
                }
                _ => f64::from_le_bytes(input.array()?),
            };
            if code != CODE_ABSENT {
                *last = value;
            }
            self.values.push(value);
        }
        Ok(stamp)
    }

    /// Values by slot of the tick that was read last.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Series by slot.
    pub fn texts(&self) -> &[Option<SeriesText>] {
        &self.texts
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], TickError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(TickError::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TickError> {
        self.take(N)?.try_into().map_err(|_| TickError::Malformed)
    }

    fn byte(&mut self) -> Result<u8, TickError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, TickError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(TickError::Malformed)
    }

    fn signed(&mut self) -> Result<i64, TickError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn count(&mut self) -> Result<usize, TickError> {
        let number = usize::try_from(self.number()?).map_err(|_| TickError::TooMany)?;
        if number > MAX_SLOTS { Err(TickError::TooMany) } else { Ok(number) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::series::STALE;
    use proptest::prelude::*;

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn a_segment_reads_back_bit_for_bit() {
        let mut table = SeriesTable::new(10);
        let (a, b) = (table.counter("a_total", &[("x", "1")]), table.gauge("b", &[]));
        let (mut encoder, mut decoder, mut bytes) =
            (TickEncoder::default(), TickDecoder::default(), Vec::new());
        let mut check = |table: &mut SeriesTable, first, renames, sizes: std::ops::RangeInclusive<usize>| {
            encoder.encode(table, Timestamp::from_millis(1_700_000_000_000), first, &mut bytes);
            assert!(sizes.contains(&bytes.len()), "{} bytes", bytes.len());
            assert_eq!(TickDecoder::renames(&bytes), renames);
            assert_eq!(decoder.decode(&bytes), Ok(Timestamp::from_millis(1_700_000_000_000)));
            assert_eq!(bits(decoder.values()), bits(table.values()));
            for (slot, text) in table.texts().iter().enumerate() {
                if let Some(text) = text {
                    assert_eq!(decoder.texts()[slot].as_ref(), Some(text));
                }
            }
            table.end();
            table.begin();
        };
        table.set(a, 5.0);
        table.set(b, 0.25);
        check(&mut table, true, true, 30..=60);
        table.set(a, 6.0);
        table.set(b, 0.25);
        check(&mut table, false, false, 9..=11);
        // Absent for a tick, then on from the value before.
        table.set(b, -0.0);
        check(&mut table, false, false, 10..=20);
        table.set(a, 9_007_199_254_740_993.0);
        table.retire(b);
        assert_eq!(bits(&table.values()[1..]), [STALE.to_bits()]);
        check(&mut table, false, false, 10..=30);
        let c = table.gauge("c", &[]);
        assert_eq!(c.index(), 1);
        table.set(c, f64::INFINITY);
        check(&mut table, false, true, 10..=30);
        table.set(c, f64::MIN);
        check(&mut table, true, true, 30..=60);
    }

    proptest! {
        #[test]
        fn any_values_survive(ticks in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 3), 1..6), ints in any::<bool>()) {
            let mut table = SeriesTable::new(10);
            let slots = ["a", "b", "c"].map(|name| table.gauge(name, &[]));
            let (mut encoder, mut decoder, mut bytes) = (TickEncoder::default(), TickDecoder::default(), Vec::new());
            for (at, tick) in ticks.iter().enumerate() {
                for (slot, value) in slots.iter().zip(tick) {
                    let value = if ints { (*value >> (value % 60)) as f64 } else { f64::from_bits(*value) };
                    table.set(*slot, value);
                }
                encoder.encode(&table, Timestamp::from_millis(i64::MIN), at == 0, &mut bytes);
                decoder.decode(&bytes).unwrap();
                prop_assert_eq!(bits(decoder.values()), bits(table.values()));
                table.end();
            }
        }

        #[test]
        fn any_bytes_are_survived(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4)) {
            let mut decoder = TickDecoder::default();
            for payload in payloads {
                let _ = decoder.decode(&payload);
            }
        }
    }
}
