//! The framing of records: `length: u32, crc32: u32, payload`, little endian.

/// Bytes before a payload.
pub const HEADER: usize = 8;

/// First bytes of every segment: what it is and its version.
pub const MAGIC: &[u8; 8] = b"LPTSPL1\n";

/// Appends a framed payload to `out`.
pub fn write(payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Payload length and checksum that a header announces; `None` when it cannot be one.
pub fn header(bytes: &[u8; HEADER]) -> Option<(usize, u32)> {
    let [a, b, c, d, rest @ ..] = *bytes;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (1..=super::MAX_RECORD).contains(&length).then(|| (length, u32::from_le_bytes(rest)))
}

/// Whether a payload is what was written.
pub fn is_intact(payload: &[u8], checksum: u32) -> bool {
    crc32fast::hash(payload) == checksum
}
