//! Any text as YAML or JSON manifests: what is accepted stays the same when it is written out and read again.
#![no_main]

use lepton_api::manifest::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for source in parse("fuzz", text, None).unwrap_or_default() {
        let Ok(json) = serde_json::to_string(&source.manifest) else { panic!("cannot be written") };
        let again = parse("fuzz", &json, None).unwrap_or_else(|problems| panic!("{problems:?}: {json}"));
        assert_eq!(again.iter().map(|again| &again.manifest).collect::<Vec<_>>(), [&source.manifest]);
    }
});
