//! Reading a segment back.

use std::io::Read;

use crate::batch::Sample;
use crate::labels::check_key;
use crate::varint;
use crate::wal::{HEADER, MAGIC, MAX_FRAME};

/// What a segment held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes up to the end of the last whole frame; what follows was never acknowledged.
    pub valid_bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// Samples in them.
    pub samples: u64,
    /// Whether anything followed the last whole frame.
    pub torn: bool,
}

/// Reads a segment, calling `visit` with the key and samples of every series of every whole frame, in the order they
/// were written. Stops at the first frame that is cut short or does not match its checksum. Never panics, and never
/// holds more than one frame, whatever the bytes.
pub fn recover(
    mut segment: impl Read,
    mut visit: impl FnMut(&[u8], &[Sample]),
) -> std::io::Result<Recovered> {
    let mut report = Recovered::default();
    let mut magic = [0; MAGIC.len()];
    let got = fill(&mut segment, &mut magic)?;
    if got < magic.len() || magic != *MAGIC {
        report.torn = got > 0;
        return Ok(report);
    }
    report.valid_bytes = magic.len() as u64;
    let mut names = Names::default();
    let mut payload = Vec::new();
    loop {
        let mut header = [0; HEADER];
        let got = fill(&mut segment, &mut header)?;
        if got == 0 {
            return Ok(report);
        }
        report.torn = true;
        let [a, b, c, d, e, f, g, h] = header;
        let (length, checksum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if got < HEADER || length as usize > MAX_FRAME {
            return Ok(report);
        }
        payload.clear();
        let read = segment.by_ref().take(u64::from(length)).read_to_end(&mut payload)?;
        if read < length as usize || crc32fast::hash(&payload) != checksum {
            return Ok(report);
        }
        let Some(samples) = names.decode(&payload, &mut visit) else { return Ok(report) };
        report.torn = false;
        report.frames += 1;
        report.samples += samples;
        report.valid_bytes += (HEADER + payload.len()) as u64;
    }
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Keys of the series a segment has spelled out so far, by id, in one flat buffer.
#[derive(Default)]
struct Names {
    keys: Vec<u8>,
    ends: hashbrown::HashMap<u32, (usize, usize), foldhash::fast::FixedState>,
    samples: Vec<Sample>,
}

impl Names {
    /// Visits a whole frame; `None` when it contradicts itself, which its checksum makes all but impossible.
    fn decode(&mut self, payload: &[u8], visit: &mut impl FnMut(&[u8], &[Sample])) -> Option<u64> {
        let mut input = payload;
        let (mut id, mut timestamp, mut total) = (0_i64, 0_i64, 0);
        while !input.is_empty() {
            let head = varint::take_signed(&mut input)?;
            id = id.checked_add(head >> 1)?;
            let index = u32::try_from(id).ok()?;
            if head & 1 == 1 {
                let length = varint::take(&mut input)?;
                let key = varint::take_bytes(&mut input, length)?;
                check_key(key).ok()?;
                let start = self.keys.len();
                self.keys.extend_from_slice(key);
                self.ends.insert(index, (start, self.keys.len()));
            }
            let count = varint::take(&mut input)?;
            self.samples.clear();
            for _ in 0..count {
                timestamp = timestamp.wrapping_add(varint::take_signed(&mut input)?);
                let bits = varint::take_bytes(&mut input, 8)?.try_into().ok().map(u64::from_le_bytes)?;
                self.samples.push(Sample { timestamp, value: f64::from_bits(bits) });
            }
            let (start, end) = *self.ends.get(&index)?;
            visit(self.keys.get(start..end)?, &self.samples);
            total += count;
        }
        Some(total)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::labels::Labels;
    use crate::wal::FrameWriter;
    use proptest::prelude::*;

    fn segment() -> (Vec<u8>, Vec<usize>) {
        let key = |node| Labels::new("up", [("node", node)]).unwrap();
        let mut frame = FrameWriter::default();
        let mut bytes = MAGIC.to_vec();
        let mut ends = vec![bytes.len()];
        for step in 0..4_i64 {
            frame.begin(bytes);
            for (id, node) in [(7, "a"), (2, "b")] {
                let sample = Sample { timestamp: step * 1000, value: f64::from(id) };
                let labels = key(node);
                frame.series(id, (step == 0).then_some(labels.key()), &[sample, sample]);
            }
            bytes = frame.finish();
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn every_cut_gives_the_whole_frames_before_it() {
        let (bytes, ends) = segment();
        for cut in 0..=bytes.len() {
            let mut samples = 0;
            let report = recover(&bytes[..cut], |_, got| samples += got.len()).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            assert_eq!((report.frames as usize, samples), (whole, whole * 4), "cut at {cut}");
            assert_eq!(report.torn, cut != 0 && !ends.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let (bytes, ends) = segment();
        for at in MAGIC.len()..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            let report = recover(damaged.as_slice(), |_, _| ()).unwrap();
            let before = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(report.frames as usize, before, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            recover(bytes.as_slice(), |_, _| ()).unwrap();
            let mut framed = MAGIC.to_vec();
            framed.extend((bytes.len() as u32).to_le_bytes());
            framed.extend(crc32fast::hash(&bytes).to_le_bytes());
            framed.extend(&bytes);
            recover(framed.as_slice(), |_, _| ()).unwrap();
        }
    }
}
