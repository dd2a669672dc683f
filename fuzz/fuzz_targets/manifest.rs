//! Any text as manifests: what is accepted stays the same when it is written out and read again.
#![no_main]

use lepton_model::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(sources) = lepton::manifest::parse("fuzz", text, None) {
        for source in sources {
            let Ok(json) = serde_json::to_string(&source.manifest) else { panic!("cannot be written") };
            let again: Result<Manifest, _> = serde_json::from_str(&json);
            assert_eq!(again.ok().as_ref(), Some(&source.manifest));
        }
    }
    if let Ok(manifest) = serde_json::from_str::<Manifest>(text) {
        let _ = manifest.validate();
    }
});
