//! Small lakes and short ways to fill and read them.

use std::path::Path;
use std::time::Duration;

use lepton_lake::{Appended, Lake, LakeConfig, Selection, Tier};

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Two-hour windows merged into days, kept for three days, one tier of five minutes and one of an hour.
pub fn config(dir: &Path) -> LakeConfig {
    LakeConfig {
        retention: Duration::from_secs(3 * 86_400),
        tiers: vec![
            Tier { resolution: Duration::from_secs(300), retention: Duration::from_secs(6 * 86_400) },
            Tier { resolution: Duration::from_secs(3600), retention: Duration::from_secs(9 * 86_400) },
        ],
        ..LakeConfig::new(dir)
    }
}

pub fn open(dir: &Path) -> Lake {
    Lake::open(config(dir)).unwrap()
}

/// Appends samples of `metric{node}` at `now` = the newest of them.
pub fn put(lake: &Lake, metric: &str, node: &str, samples: &[(i64, f64)]) -> Appended {
    let now = samples.iter().map(|(time, _)| *time).max().unwrap();
    put_at(lake, metric, node, samples, now)
}

pub fn put_at(lake: &Lake, metric: &str, node: &str, samples: &[(i64, f64)], now: i64) -> Appended {
    let mut batch = lake.batch();
    batch.series(&[("__name__", metric), ("node", node)]).unwrap();
    for (time, value) in samples {
        batch.sample(*time, *value);
    }
    lake.append(&batch, now).unwrap()
}

/// Everything selected: labels, instants and the bits of values.
pub fn read(lake: &Lake, selection: &Selection) -> Vec<(String, Vec<(i64, u64)>)> {
    let series = lake.scan(selection).unwrap().map(Result::unwrap);
    series
        .map(|series| {
            let samples =
                series.timestamps.iter().copied().zip(series.values.iter().map(|value| value.to_bits()));
            (series.labels.to_string(), samples.collect())
        })
        .collect()
}

pub fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(time, value)| (*time, value.to_bits())).collect()
}
