//! Any bytes as a remote-write request: no panic, and never more than the limits allow.
#![no_main]

use lepton_api::remote_write::{Limits, Protocol, Scratch, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let protocol = if first & 1 == 0 { Protocol::V1 } else { Protocol::V2 };
    let mut scratch = Scratch::default();
    let limits = Limits::default();
    let mut seen = 0_usize;
    let _ = decode(protocol, body, &limits, &mut scratch, |labels, samples| {
        assert!(labels.len() <= limits.labels);
        seen += samples.len();
    });
});
