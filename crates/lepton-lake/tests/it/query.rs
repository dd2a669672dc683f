//! Range queries, and that tiers answer as raw samples do.

use std::time::Duration;

use lepton_lake::{Aggregate, Function, Lake, LakeError, Matcher, RangeQuery};

use crate::it::fixture::{DAY, HOUR, MINUTE, SECOND, open, put, put_at};

const START: i64 = 20_000 * DAY;

fn query(function: Function, step: i64, window: i64) -> RangeQuery {
    RangeQuery {
        matchers: vec![Matcher::eq("__name__", "m")],
        start: START,
        end: START + 4 * HOUR,
        step: Duration::from_millis(step as u64),
        window: Some(Duration::from_millis(window as u64)),
        function,
        aggregate: None,
    }
}

fn points(lake: &Lake, query: &RangeQuery) -> Vec<(i64, f64)> {
    let mut result = lake.query(query).unwrap();
    if result.series.is_empty() { Vec::new() } else { result.series.remove(0).1 }
}

#[test]
fn functions_over_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    // A counter that restarts, one sample every ten seconds, and a stale marker.
    let values = [0.0, 10.0, 20.0, 5.0, 15.0, 25.0];
    let mut samples: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(at, value)| (START + (at as i64 + 1) * 10 * SECOND, *value))
        .collect();
    samples.push((START + 70 * SECOND, f64::from_bits(0x7ff0_0000_0000_0002)));
    put(&lake, "m", "a", &samples);
    let check = |function, expect: &[(i64, f64)]| {
        let mut query = query(function, 30 * SECOND, 30 * SECOND);
        query.end = START + 2 * MINUTE;
        let expect: Vec<_> = expect.iter().map(|(at, value)| (START + at * SECOND, *value)).collect();
        assert_eq!(points(&lake, &query), expect, "{function:?}");
    };
    check(Function::Last, &[(30, 20.0), (60, 25.0)]);
    check(Function::Avg, &[(30, 10.0), (60, 15.0)]);
    check(Function::Min, &[(30, 0.0), (60, 5.0)]);
    check(Function::Max, &[(30, 20.0), (60, 25.0)]);
    check(Function::Sum, &[(30, 30.0), (60, 45.0)]);
    check(Function::Count, &[(30, 3.0), (60, 3.0)]);
    check(Function::Quantile(0.5), &[(30, 10.0), (60, 15.0)]);
    check(Function::Increase, &[(30, 20.0), (60, 25.0)]);
    check(Function::Rate, &[(30, 1.0), (60, 25.0 / 30.0)]);
}

#[test]
fn increases_of_adjacent_windows_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let samples: Vec<_> = (1..=1440).map(|at| (START + at * 10 * SECOND, (at * 3) as f64)).collect();
    put(&lake, "m", "a", &samples);
    for step in [10 * SECOND, 15 * SECOND, MINUTE, 7 * MINUTE, HOUR] {
        let total: f64 =
            points(&lake, &query(Function::Increase, step, step)).iter().map(|(_, value)| value).sum();
        let last = (4 * HOUR / step * step) / (10 * SECOND);
        assert_eq!(total, ((last - 1) * 3) as f64, "step {step}");
    }
}

#[test]
fn aggregates_over_series() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut batch = lake.batch();
    for (node, zone, value) in [("a", "x", 1.0), ("b", "x", 3.0), ("c", "y", 10.0)] {
        batch.series(&[("__name__", "m"), ("node", node), ("zone", zone)]).unwrap();
        batch.sample(START, value);
    }
    lake.append(&batch, START).unwrap();
    let check = |aggregate, by: &[&str], expect: &[(&str, f64)]| {
        let mut query = query(Function::Last, MINUTE, MINUTE);
        query.end = START;
        query.aggregate = Some((aggregate, by.iter().map(|name| (*name).to_owned()).collect()));
        let got: Vec<_> = lake
            .query(&query)
            .unwrap()
            .series
            .iter()
            .map(|(labels, points)| (labels.to_string(), points[0].1))
            .collect();
        let expect: Vec<_> = expect.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect();
        assert_eq!(got, expect, "{aggregate:?} by {by:?}");
    };
    check(Aggregate::Sum, &["zone"], &[(r#"{zone="x"}"#, 4.0), (r#"{zone="y"}"#, 10.0)]);
    check(Aggregate::Avg, &["zone"], &[(r#"{zone="x"}"#, 2.0), (r#"{zone="y"}"#, 10.0)]);
    check(Aggregate::Max, &[], &[("", 10.0)]);
    check(Aggregate::Min, &["__name__"], &[("m", 1.0)]);
    check(
        Aggregate::Count,
        &["node", "absent"],
        &[(r#"{node="a"}"#, 1.0), (r#"{node="b"}"#, 1.0), (r#"{node="c"}"#, 1.0)],
    );
    check(Aggregate::Quantile(0.5), &[], &[("", 3.0)]);
}

#[test]
fn tiers_answer_as_raw_samples_do() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let day: Vec<_> =
        (1..=8640_i64).map(|at| (START + at * 10 * SECOND, ((at * at) % 1009) as f64)).collect();
    put(&lake, "m", "a", &day);
    let functions = [
        Function::Last,
        Function::Avg,
        Function::Min,
        Function::Max,
        Function::Sum,
        Function::Count,
        Function::Increase,
        Function::Rate,
    ];
    let shapes = [(5 * MINUTE, 5 * MINUTE), (5 * MINUTE, 15 * MINUTE), (HOUR, HOUR), (HOUR, 2 * HOUR)];
    let whole = |function, (step, window)| RangeQuery { end: START + DAY, ..query(function, step, window) };
    let raw: Vec<_> = functions
        .iter()
        .flat_map(|function| shapes.map(|shape| lake.query(&whole(*function, shape)).unwrap()))
        .collect();
    // Once as two-hour windows, then as a day.
    for now in [START + 23 * HOUR, START + 2 * DAY] {
        lake.flush().unwrap();
        lake.maintain(now).unwrap();
        let mut raw = raw.iter();
        for function in functions {
            for shape in shapes {
                let want = raw.next().unwrap();
                let got = lake.query(&whole(function, shape)).unwrap();
                assert!(
                    got.resolution.is_some() && got.samples_read < want.samples_read / 2,
                    "{function:?} {shape:?}"
                );
                assert_eq!(got.series[0].1.len(), want.series[0].1.len(), "{function:?} {shape:?}");
                for ((at, got), (when, want)) in got.series[0].1.iter().zip(&want.series[0].1) {
                    let near = (got - want).abs() <= 1e-9 * want.abs();
                    assert!(at == when && near, "{function:?} {shape:?} at {at}: {got}, not {want}");
                }
            }
        }
    }
    // A grid that no tier fits is read from raw samples.
    let odd = lake.query(&whole(Function::Avg, (7 * MINUTE, 7 * MINUTE))).unwrap();
    assert_eq!(odd.resolution, None);
    // Once raw samples are gone, tiers serve what they can.
    lake.maintain(START + 4 * DAY + HOUR).unwrap();
    assert_eq!(lake.stats().raw_blocks, 0);
    let rest = lake.query(&whole(Function::Sum, (10 * HOUR, 10 * HOUR))).unwrap();
    assert_eq!(rest.resolution, Some(Duration::from_secs(3600)));
    let odd = lake.query(&whole(Function::Count, (7 * MINUTE, 7 * MINUTE))).unwrap();
    let total: f64 = odd.series[0].1.iter().map(|(_, count)| count).sum();
    assert!((total - 8640.0).abs() <= 60.0, "{total}");
}

#[test]
fn late_samples_are_in_the_answer_before_and_after_the_tier_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let samples: Vec<_> = (1..=4 * 360).map(|at| (START + at * 10 * SECOND, 1.0)).collect();
    put(&lake, "m", "a", &samples);
    lake.maintain(START + 5 * HOUR).unwrap();
    let count = |lake: &Lake| -> f64 {
        points(lake, &query(Function::Count, HOUR, HOUR)).iter().map(|(_, count)| count).sum()
    };
    assert_eq!(count(&lake), 1440.0);
    put_at(&lake, "m", "a", &[(START + 5 * SECOND, 1.0)], START + 5 * HOUR);
    assert_eq!(count(&lake), 1441.0, "in memory");
    lake.flush().unwrap();
    assert_eq!(count(&lake), 1441.0, "in a block beside the tier");
    lake.maintain(START + 5 * HOUR).unwrap();
    assert_eq!(count(&lake), 1441.0, "in the tier");
}

#[test]
fn contradictions_name_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let check = |query: RangeQuery, expect: &str| match lake.query(&query) {
        Err(LakeError::Query { field, .. }) => assert_eq!(field, expect),
        other => panic!("{other:?}"),
    };
    check(query(Function::Avg, 0, MINUTE), "step");
    check(query(Function::Avg, MINUTE, 0), "window");
    check(query(Function::Avg, 1, MINUTE), "step");
    check(query(Function::Avg, 10 * MINUTE, 10 * HOUR + 1), "window");
    check(query(Function::Quantile(1.5), MINUTE, MINUTE), "function");
    check(RangeQuery { end: START - 1, ..query(Function::Avg, MINUTE, MINUTE) }, "end");
    check(RangeQuery { start: i64::MIN, end: i64::MIN + 1, ..query(Function::Avg, MINUTE, MINUTE) }, "start");
}
