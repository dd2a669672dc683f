//! TCP connections by state, from `/proc/net/tcp` and `tcp6`.
//!
//! The kernel writes 150 bytes per connection, so at most [`KernelFile`]'s bound is read (about 28,000 connections) and
//! the source is a slow one. `node_sockstat_TCP_*` counts all of them whatever their number.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::Slot;

const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];

/// The kernel's number of `listen`.
const LISTEN: u64 = 10;

/// Adds the connections of one file, by the kernel's number of the state less one.
pub fn count(bytes: &[u8], states: &mut [f64; 12]) {
    for line in text::lines(bytes).skip(1) {
        let state =
            text::words(line).nth(3).and_then(text::hexadecimal).and_then(|n| usize::try_from(n).ok());
        if let Some(count) = state.and_then(|n| states.get_mut(n.checked_sub(1)?)) {
            *count += 1.0;
        }
    }
}

/// The ports that one file's sockets listen on.
pub fn listening(bytes: &[u8]) -> impl Iterator<Item = u16> {
    text::lines(bytes).skip(1).filter_map(|line| {
        let mut words = text::words(line).skip(1);
        let (_, port) = text::split_once(words.next()?, b':')?;
        let state = text::hexadecimal(words.nth(1)?)?;
        (state == LISTEN).then(|| u16::try_from(text::hexadecimal(port)?).ok())?
    })
}

/// `node_tcp_connection_states{state}`
pub struct Tcp {
    files: [KernelFile; 2],
    slots: Option<[Slot; 12]>,
}

impl Tcp {
    /// Reads `{proc}/net/tcp` and `tcp6`.
    pub fn new(proc: &Path) -> Self {
        Self { files: ["net/tcp", "net/tcp6"].map(|name| KernelFile::new(proc.join(name))), slots: None }
    }
}

impl Source for Tcp {
    fn name(&self) -> &'static str {
        "tcpstat"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let mut states = [0.0; 12];
        for file in &mut self.files {
            if let Some(bytes) = file.read(cx.buffer)? {
                count(bytes, &mut states);
            }
        }
        let slots = *self.slots.get_or_insert_with(|| {
            STATES.map(|state| cx.table.gauge("node_tcp_connection_states", &[("state", state)]))
        });
        for (slot, count) in slots.into_iter().zip(states) {
            cx.table.set(slot, count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_by_state() {
        let mut states = [0.0; 12];
        let input = "  sl  local_address rem_address   st tx_queue\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1F90 0100007F:C350 01 00000000:00000000\n\
            2: 0100007F:1F90 0100007F:C351 01\n   3: x y FF z\n   4: x y 00 z\n   5: x\n";
        count(input.as_bytes(), &mut states);
        assert_eq!((states[0], states[9], states.iter().sum::<f64>()), (2.0, 1.0, 3.0));
    }
}
