//! Samples of one series, compressed as they come.
//!
//! The idea is Gorilla's (Pelkonen et al., VLDB 2015, §4.1): most intervals repeat and most values repeat or move a
//! little. Unlike Gorilla the code is made of whole bytes, which costs a little space on noisy series, saves most of
//! the time, and lets a constant series take one byte per 128 samples. Integers, which are most of what a host
//! reports, are kept as differences.
//!
//! ```text
//! 0nnnnnnn                     n+1 samples: interval and value both as before
//! 1t llllll [dt] [payload]     one sample; t: interval changed, dt = signed varint of the change
//!      └ 63 same value · 62 integer, signed varint of the difference · else lead·8 + len−1: `len` bytes of
//!        value XOR previous, after `lead` zero bytes, the rest zero
//! ```

use std::sync::Arc;

use crate::batch::Sample;
use crate::varint;

/// Samples in a chunk before the next is begun; bounds what a look for one old sample must decode.
const CHUNK_SAMPLES: u32 = 4096;
const SAME: u8 = 63;
const INTEGER: u8 = 62;
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The encoder's memory and, mirrored, the decoder's.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    timestamp: i64,
    interval: i64,
    bits: u64,
}

/// A chunk that takes samples in rising order of time.
#[derive(Debug, Default)]
pub(crate) struct ChunkWriter {
    bytes: Vec<u8>,
    state: State,
    first: i64,
    samples: u32,
    in_run: bool,
}

/// A finished chunk.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    bytes: Arc<[u8]>,
    pub first: i64,
    pub last: i64,
}

impl ChunkWriter {
    /// Adds a sample later than all before it.
    pub fn push(&mut self, sample: Sample) {
        let bits = sample.value.to_bits();
        let interval = sample.timestamp.wrapping_sub(self.state.timestamp);
        let change = interval.wrapping_sub(self.state.interval);
        if self.samples == 0 {
            self.first = sample.timestamp;
        }
        self.samples += 1;
        if change == 0 && bits == self.state.bits {
            self.state.timestamp = sample.timestamp;
            match self.bytes.last_mut() {
                Some(run) if self.in_run && *run < 0x7f => *run += 1,
                _ => {
                    self.make_room();
                    self.bytes.push(0);
                    self.in_run = true;
                }
            }
            return;
        }
        self.in_run = false;
        self.make_room();
        let at = self.bytes.len();
        self.bytes.push(0);
        let mut token = 0x80;
        if change != 0 {
            token |= 0x40;
            varint::put_signed(&mut self.bytes, change);
        }
        token |= self.push_value(bits);
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = token;
        }
        self.state = State { timestamp: sample.timestamp, interval, bits };
    }

    fn push_value(&mut self, bits: u64) -> u8 {
        if bits == self.state.bits {
            return SAME;
        }
        if let (Some(before), Some(now)) = (integer(self.state.bits), integer(bits)) {
            varint::put_signed(&mut self.bytes, now - before);
            return INTEGER;
        }
        let xor = bits ^ self.state.bits;
        let lead = xor.leading_zeros() as usize / 8;
        let len = 8 - lead - xor.trailing_zeros() as usize / 8;
        let bytes = xor.to_be_bytes();
        self.bytes.extend_from_slice(bytes.get(lead..lead + len).unwrap_or_default());
        (lead * 8 + len - 1) as u8
    }

    // Doubling would leave a third of the head's memory unused.
    fn make_room(&mut self) {
        let longest = 1 + 10 + 10;
        if self.bytes.capacity() - self.bytes.len() < longest {
            self.bytes.reserve_exact(longest + self.bytes.len() / 4);
        }
    }

    pub fn is_full(&self) -> bool {
        self.samples >= CHUNK_SAMPLES
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// A copy of what it holds; `None` when that is nothing.
    pub fn chunk(&self) -> Option<Chunk> {
        (self.samples > 0).then(|| Chunk {
            bytes: self.bytes.as_slice().into(),
            first: self.first,
            last: self.state.timestamp,
        })
    }
}

impl Chunk {
    /// What it takes in memory.
    pub fn size(&self) -> usize {
        self.bytes.len() + std::mem::size_of::<Self>() + 16
    }

    /// Calls `visit` with each sample in order of time.
    pub fn decode(&self, mut visit: impl FnMut(Sample)) {
        let mut state = State::default();
        let mut input = &*self.bytes;
        while let Some((&token, rest)) = input.split_first() {
            input = rest;
            if token < 0x80 {
                let value = f64::from_bits(state.bits);
                for _ in 0..=token {
                    state.timestamp = state.timestamp.wrapping_add(state.interval);
                    visit(Sample { timestamp: state.timestamp, value });
                }
                continue;
            }
            if token & 0x40 != 0 {
                let Some(change) = varint::take_signed(&mut input) else { return };
                state.interval = state.interval.wrapping_add(change);
            }
            state.timestamp = state.timestamp.wrapping_add(state.interval);
            let Some(bits) = take_value(token & 0x3f, state.bits, &mut input) else { return };
            state.bits = bits;
            visit(Sample { timestamp: state.timestamp, value: f64::from_bits(bits) });
        }
    }

    /// The value at an instant.
    pub fn find(&self, timestamp: i64) -> Option<f64> {
        let mut found = None;
        self.decode(|sample| {
            if sample.timestamp == timestamp {
                found = Some(sample.value);
            }
        });
        found
    }
}

#[inline]
fn take_value(code: u8, before: u64, input: &mut &[u8]) -> Option<u64> {
    match code {
        SAME => Some(before),
        INTEGER => {
            let now = integer(before)?.wrapping_add(varint::take_signed(input)?);
            Some((now as f64).to_bits())
        }
        _ => {
            let (lead, len) = (usize::from(code >> 3), usize::from(code & 7) + 1);
            let mut xor = [0; 8];
            let payload = varint::take_bytes(input, len as u64)?;
            xor.get_mut(lead..lead + len)?.copy_from_slice(payload);
            Some(before ^ u64::from_be_bytes(xor))
        }
    }
}

/// The integer a float is, when converting there and back gives the same bits (so not for −0.0).
#[inline]
fn integer(bits: u64) -> Option<i64> {
    let value = f64::from_bits(bits);
    let whole = value as i64;
    (value.abs() < LARGEST_EXACT && (whole as f64).to_bits() == bits).then_some(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn round_trip(samples: &[Sample]) -> usize {
        let mut writer = ChunkWriter::default();
        for sample in samples {
            writer.push(*sample);
        }
        let Some(chunk) = writer.chunk() else {
            assert!(samples.is_empty());
            return 0;
        };
        let mut got = Vec::new();
        chunk.decode(|sample| got.push((sample.timestamp, sample.value.to_bits())));
        let want: Vec<_> = samples.iter().map(|s| (s.timestamp, s.value.to_bits())).collect();
        assert_eq!(got, want);
        assert_eq!((chunk.first, chunk.last), (want[0].0, want[want.len() - 1].0));
        chunk.bytes.len()
    }

    fn series(values: impl IntoIterator<Item = f64>) -> Vec<Sample> {
        values
            .into_iter()
            .enumerate()
            .map(|(at, value)| Sample { timestamp: at as i64 * 10_000, value })
            .collect()
    }

    #[test]
    fn constants_cost_a_byte_per_128() {
        assert!(round_trip(&series(std::iter::repeat_n(42.5, 1280))) < 40);
    }

    #[test]
    fn counters_cost_two_bytes() {
        assert!(round_trip(&series((0..1000).map(|at| f64::from(at * 3)))) < 2100);
    }

    #[test]
    fn odd_values_keep_their_bits() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let odd =
            [0.0, -0.0, 1.0, stale, f64::NAN, f64::INFINITY, 9e15, 9.1e15, -9e15, 1e300, f64::MIN_POSITIVE];
        round_trip(&series(odd));
    }

    proptest! {
        #[test]
        fn any_samples(mut times: Vec<i64>, bits: Vec<u64>, small in proptest::collection::vec(-50i32..50, 0..300)) {
            times.sort_unstable();
            times.dedup();
            let wild: Vec<_> = times.iter().zip(&bits)
                .map(|(timestamp, bits)| Sample { timestamp: *timestamp, value: f64::from_bits(*bits) }).collect();
            round_trip(&wild);
            round_trip(&series(small.iter().map(|v| f64::from(*v) / 4.0)));
        }

        #[test]
        fn damage_never_panics(bytes: Vec<u8>) {
            Chunk { bytes: bytes.into(), first: 0, last: 0 }.decode(|_| ());
        }
    }
}
