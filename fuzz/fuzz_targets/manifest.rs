//! Any text as a manifest: what is accepted stays the same when it is written out and read again.
#![no_main]

use lepton_model::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(manifest) = serde_json::from_str::<Manifest>(text) else { return };
    if manifest.validate().is_ok() {
        let Ok(json) = serde_json::to_string(&manifest) else { panic!("cannot be written") };
        let again: Result<Manifest, _> = serde_json::from_str(&json);
        assert_eq!(again.ok(), Some(manifest));
    }
});
