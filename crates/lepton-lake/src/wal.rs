//! The write-ahead log: what makes an acknowledgement true.
//!
//! One segment file holds everything since the head was last cut, so that letting a segment go is deleting a file.
//!
//! ```text
//! segment = "LPTNWAL1" frame*
//! frame   = length:u32 crc32(payload):u32 payload          little endian
//! payload = (id·2 + new [len key] count (Δtime value:f64)*)*
//! ```
//!
//! `id` is a signed varint difference to the previous id of the frame, shifted left once to make place for the `new`
//! bit; `Δtime` a signed varint difference to the previous sample of the frame. A series is spelled out the first time
//! a segment mentions it. A frame whose checksum does not match ends the segment: only what was never acknowledged can
//! lie there, because a frame is acknowledged after the sync that follows it.

mod commit;
mod recover;

pub(crate) use commit::{Wal, segments};
pub use recover::{Recovered, recover};

use crate::batch::Sample;
use crate::varint;

pub(crate) const MAGIC: &[u8; 8] = b"LPTNWAL1";
/// Frame header: length and checksum.
const HEADER: usize = 8;
/// Frames over this size are damage; the lake cuts batches long before.
pub(crate) const MAX_FRAME: usize = 64 << 20;

/// Builds one frame in a buffer that may hold others already.
#[derive(Debug, Default)]
pub(crate) struct FrameWriter {
    bytes: Vec<u8>,
    start: usize,
    id: i64,
    timestamp: i64,
}

impl FrameWriter {
    /// Starts a frame after what the buffer holds.
    pub fn begin(&mut self, mut buffer: Vec<u8>) {
        self.start = buffer.len();
        buffer.extend_from_slice(&[0; HEADER]);
        (self.bytes, self.id, self.timestamp) = (buffer, 0, 0);
    }

    /// Adds samples of one series, spelled out when `definition` is given.
    pub fn series(&mut self, id: u32, definition: Option<&[u8]>, samples: &[Sample]) {
        let id = i64::from(id);
        varint::put_signed(&mut self.bytes, ((id - self.id) << 1) | i64::from(definition.is_some()));
        self.id = id;
        if let Some(key) = definition {
            varint::put(&mut self.bytes, key.len() as u64);
            self.bytes.extend_from_slice(key);
        }
        varint::put(&mut self.bytes, samples.len() as u64);
        for sample in samples {
            varint::put_signed(&mut self.bytes, sample.timestamp.wrapping_sub(self.timestamp));
            self.bytes.extend_from_slice(&sample.value.to_bits().to_le_bytes());
            self.timestamp = sample.timestamp;
        }
    }

    /// Finishes the frame and returns the buffer; an empty frame leaves no trace.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let body = self.start + HEADER;
        let payload = bytes.get(body..).unwrap_or_default();
        if payload.is_empty() {
            bytes.truncate(self.start);
            return bytes;
        }
        let length = (payload.len() as u32).to_le_bytes();
        let checksum = crc32fast::hash(payload).to_le_bytes();
        if let Some(header) = bytes.get_mut(self.start..body) {
            for (to, from) in header.iter_mut().zip(length.iter().chain(&checksum)) {
                *to = *from;
            }
        }
        bytes
    }
}
