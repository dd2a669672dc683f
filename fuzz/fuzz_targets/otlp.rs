//! Any bytes as an OTLP metrics request, protobuf or JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let _ = lepton_control::read_otlp(body, first & 1 == 0);
});
