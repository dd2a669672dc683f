//! Random histories against a map: whatever is written, cut, merged and reopened, a scan gives what a map would.

use std::collections::BTreeMap;

use lepton_lake::{Matcher, Selection};
use proptest::prelude::*;

use crate::it::fixture::{DAY, HOUR, MINUTE, open, put_at, read};

const NOW: i64 = 20_000 * DAY + 13 * HOUR;

#[derive(Debug, Clone)]
enum Step {
    Put { metric: u8, node: u8, samples: Vec<(i64, i8)> },
    Cut,
    Maintain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    // Few instants, so that they often meet.
    let sample = (prop_oneof![0..30_i64, -200..0_i64, -2000..0_i64], -2..3_i8);
    let put = (0..3_u8, 0..3_u8, proptest::collection::vec(sample, 1..20));
    prop_oneof![
        6 => put.prop_map(|(metric, node, samples)| Step::Put { metric, node, samples }),
        1 => Just(Step::Cut),
        1 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn scans_are_what_a_map_would_give(steps in proptest::collection::vec(step(), 1..30), from in -2000..30_i64) {
        let dir = tempfile::tempdir().unwrap();
        let mut lake = open(dir.path());
        let mut model: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put { metric, node, samples } => {
                    let samples: Vec<_> =
                        samples.iter().map(|(at, value)| (NOW + at * MINUTE, f64::from(*value))).collect();
                    put_at(&lake, &format!("m{metric}"), &format!("n{node}"), &samples, NOW + 30 * MINUTE);
                    let series = model.entry(format!(r#"m{metric}{{node="n{node}"}}"#)).or_default();
                    series.extend(samples.iter().map(|(time, value)| (*time, value.to_bits())));
                }
                Step::Cut => lake.flush().unwrap(),
                Step::Maintain => {
                    lake.maintain(NOW + 12 * HOUR).unwrap();
                }
                Step::Reopen => {
                    drop(lake);
                    lake = open(dir.path());
                }
            }
        }
        let from = NOW + from * MINUTE;
        let want = |wanted: &dyn Fn(&str) -> bool, from: i64| {
            let mut series = Vec::new();
            for (name, samples) in model.iter().filter(|(name, _)| wanted(name)) {
                let samples: Vec<_> = samples.range(from..).map(|(time, bits)| (*time, *bits)).collect();
                if !samples.is_empty() {
                    series.push((name.clone(), samples));
                }
            }
            series
        };
        prop_assert_eq!(read(&lake, &Selection::all()), want(&|_| true, i64::MIN));
        prop_assert_eq!(read(&lake, &Selection::all().between(from, i64::MAX)), want(&|_| true, from));
        let one = Selection::metric("m1").with(Matcher::ne("node", "n0"));
        prop_assert_eq!(read(&lake, &one), want(&|name| name.starts_with("m1") && !name.contains("n0"), i64::MIN));
    }
}
