//! Any bytes as an OTLP metrics request, protobuf and JSON: every data point is either visited or counted as refused.
#![no_main]

use lepton_api::otlp::{ExportMetricsServiceRequest, read};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let protobuf = ExportMetricsServiceRequest::decode(bytes).ok();
    for request in protobuf.into_iter().chain(serde_json::from_slice(bytes)) {
        let (mut visited, mut refused) = (0u64, 0u64);
        let rejected = read(&request, |labels, _, value| {
            assert!(labels.iter().any(|(name, _)| *name == b"__name__"));
            visited += 1;
            if value.is_nan() {
                refused += 1;
                return Err("not a number".to_owned());
            }
            Ok(())
        });
        assert!(rejected.points >= refused && rejected.why.len() <= 8 && refused <= visited);
    }
});
