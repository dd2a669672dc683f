//! Any bytes as a log segment: recovery ends, counts what it visited, and says the same of the part it calls valid.
#![no_main]

use lepton_lake::wal::recover;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut samples = 0_u64;
    let Ok(report) = recover(data, |_, some| samples += some.len() as u64) else { return };
    assert_eq!(report.samples, samples);
    let valid = usize::try_from(report.valid_bytes).unwrap_or(usize::MAX);
    let Some(whole) = data.get(..valid) else { panic!("more valid bytes than there are") };
    if let Ok(again) = recover(whole, |_, _| {}) {
        assert_eq!((again.frames, again.samples, again.torn), (report.frames, report.samples, false));
    }
});
