//! What is taken, what is refused, and how that is counted.

use std::sync::mpsc;

use lepton_lake::{AppendError, Appended, LabelError, Lake, LakeConfig, LakeError, Matcher, Selection};

use crate::it::fixture::{DAY, HOUR, MINUTE, bits, config, open, put, put_at, read};

const NOW: i64 = 20_000 * DAY;

#[test]
fn order_and_repeats() {
    struct Case {
        name: &'static str,
        sent: &'static [&'static [(i64, f64)]],
        kept: &'static [(i64, f64)],
        duplicates: u64,
    }
    let cases = [
        Case {
            name: "in order",
            sent: &[&[(1, 1.0), (2, 2.0)], &[(3, 3.0)]],
            kept: &[(1, 1.0), (2, 2.0), (3, 3.0)],
            duplicates: 0,
        },
        Case {
            name: "request sent twice",
            sent: &[&[(1, 1.0), (2, 2.0)], &[(1, 1.0), (2, 2.0)]],
            kept: &[(1, 1.0), (2, 2.0)],
            duplicates: 2,
        },
        Case {
            name: "last write wins",
            sent: &[&[(1, 1.0), (2, 2.0)], &[(1, 9.0)], &[(2, 8.0)]],
            kept: &[(1, 9.0), (2, 8.0)],
            duplicates: 0,
        },
        Case {
            name: "and again",
            sent: &[&[(1, 1.0)], &[(1, 2.0)], &[(1, 1.0)]],
            kept: &[(1, 1.0)],
            duplicates: 0,
        },
        Case {
            name: "late",
            sent: &[&[(5, 5.0)], &[(1, 1.0), (3, 3.0)], &[(3, 3.0)]],
            kept: &[(1, 1.0), (3, 3.0), (5, 5.0)],
            duplicates: 1,
        },
        Case {
            name: "backwards",
            sent: &[&[(3, 3.0), (2, 2.0), (1, 1.0)]],
            kept: &[(1, 1.0), (2, 2.0), (3, 3.0)],
            duplicates: 0,
        },
    ];
    for case in cases {
        // The same must hold in memory, after a restart, in one block and across blocks.
        for cut_between in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let lake = open(dir.path());
            let mut duplicates = 0;
            for sent in case.sent {
                let sent: Vec<_> = sent.iter().map(|(time, value)| (NOW + time, *value)).collect();
                duplicates += put(&lake, "m", "n", &sent).duplicates;
                if cut_between {
                    lake.flush().unwrap();
                }
            }
            if !cut_between {
                assert_eq!(duplicates, case.duplicates, "{}", case.name);
            }
            let kept: Vec<_> = case.kept.iter().map(|(time, value)| (NOW + time, *value)).collect();
            let want = vec![(r#"m{node="n"}"#.to_owned(), bits(&kept))];
            assert_eq!(read(&lake, &Selection::all()), want, "{}", case.name);
            drop(lake);
            let lake = open(dir.path());
            assert_eq!(read(&lake, &Selection::all()), want, "{} after a restart", case.name);
            lake.flush().unwrap();
            assert_eq!(read(&lake, &Selection::all()), want, "{} in blocks", case.name);
            lake.maintain(NOW + 2 * DAY).unwrap();
            assert_eq!(read(&lake, &Selection::all()), want, "{} merged", case.name);
        }
    }
}

#[test]
fn odd_values_keep_their_bits() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let odd = [-0.0, f64::NAN, stale, f64::INFINITY, f64::from_bits(1), f64::MAX];
    let samples: Vec<_> = odd.iter().enumerate().map(|(at, value)| (NOW + at as i64, *value)).collect();
    put(&lake, "m", "n", &samples);
    lake.flush().unwrap();
    assert_eq!(read(&lake, &Selection::all())[0].1, bits(&samples));
    lake.maintain(NOW + 2 * DAY).unwrap();
    assert_eq!(read(&lake, &Selection::all())[0].1, bits(&samples));
}

#[test]
fn refusals_are_counted_and_the_rest_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let outcome = put_at(
        &lake,
        "m",
        "n",
        &[(NOW - 4 * DAY, 1.0), (NOW - 2 * DAY, 2.0), (NOW, 3.0), (NOW + HOUR, 4.0), (NOW + MINUTE, 5.0)],
        NOW,
    );
    assert_eq!(outcome, Appended { accepted: 3, too_old: 1, too_new: 1, ..Appended::default() });
    assert_eq!(outcome.refused(), 2);

    let mut batch = lake.batch();
    assert_eq!(batch.series(&[("node", "n")]), Err(LabelError::NoMetric));
    assert_eq!(batch.samples(), 0);
    batch.series_raw(&mut [(b"__name__", b"bad\xff")]).unwrap();
    batch.sample(NOW, 1.0);
    batch.series(&[("__name__", "good")]).unwrap();
    batch.sample(NOW, 1.0);
    let outcome = lake.append(&batch, NOW).unwrap();
    assert_eq!((outcome.accepted, outcome.invalid), (1, 1));
    assert!(matches!(outcome.first_invalid, Some(LabelError::NotText { .. })));
}

#[test]
fn labels_in_any_order_are_one_series() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut batch = lake.batch();
    batch.series(&[("__name__", "m"), ("a", "1"), ("b", "2")]).unwrap();
    batch.sample(NOW, 1.0);
    batch.series(&[("b", "2"), ("empty", ""), ("__name__", "m"), ("a", "1")]).unwrap();
    batch.sample(NOW + 1, 2.0);
    lake.append(&batch, NOW).unwrap();
    assert_eq!(lake.series(&Selection::all()).unwrap().len(), 1);
}

#[test]
fn acknowledgement_by_callback() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let (send, receive) = mpsc::channel();
    for at in 0..100 {
        let mut batch = lake.batch();
        batch.series(&[("__name__", "m")]).unwrap();
        batch.sample(NOW + at, 1.0);
        let send = send.clone();
        lake.append_with(&batch, NOW, move |outcome| send.send(outcome).unwrap()).unwrap();
    }
    drop(send);
    let outcomes: Vec<_> = receive.iter().map(|outcome| outcome.unwrap().accepted).collect();
    assert_eq!(outcomes, [1; 100]);
}

#[test]
fn memory_is_bounded_and_busy_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(LakeConfig { head_limit: 4 << 20, ..config(dir.path()) }).unwrap();
    let (mut accepted, mut busy) = (0_u64, 0);
    for round in 0..200_i64 {
        let mut batch = lake.batch();
        for series in 0..200 {
            batch.series(&[("__name__", "m"), ("series", &series.to_string())]).unwrap();
            for at in 0..20 {
                // Noise does not compress: this is the worst a sender can do.
                let noise =
                    ((round * 7919 + series * 104_729 + at) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let value = f64::from_bits(0x3ff0_0000_0000_0000 | (noise >> 12));
                batch.sample(NOW + (round * 20 + at) * 100, value);
            }
        }
        loop {
            match lake.append(&batch, NOW + HOUR) {
                Ok(outcome) => {
                    accepted += outcome.accepted;
                    break;
                }
                Err(AppendError::Busy { retry_after }) => {
                    assert!(!retry_after.is_zero());
                    busy += 1;
                    lake.flush().unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(lake.stats().head_bytes < 5 << 20, "{:?}", lake.stats());
    }
    assert_eq!(accepted, 200 * 200 * 20);
    assert_eq!(lake.stats().busy, busy);
    assert!(lake.stats().raw_blocks > 0, "memory alone would not hold it");
    let found: usize = read(&lake, &Selection::all()).iter().map(|(_, samples)| samples.len()).sum();
    assert_eq!(found as u64, accepted);
}

#[test]
fn reading_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    for (metric, node) in [("cpu", "a"), ("cpu", "b"), ("mem", "b")] {
        put(&lake, metric, node, &[(NOW, 1.0), (NOW + MINUTE, 2.0)]);
    }
    for cut in [false, true] {
        if cut {
            lake.flush().unwrap();
            put(&lake, "cpu", "a", &[(NOW + 2 * MINUTE, 3.0)]);
        }
        let names = |selection: &Selection| {
            lake.series(selection).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&Selection::metric("cpu")), [r#"cpu{node="a"}"#, r#"cpu{node="b"}"#]);
        assert_eq!(
            names(&Selection::all().with(Matcher::eq("node", "b"))),
            [r#"cpu{node="b"}"#, r#"mem{node="b"}"#]
        );
        assert_eq!(
            names(&Selection::all().with(Matcher::matches("__name__", "m.m").unwrap())),
            [r#"mem{node="b"}"#]
        );
        assert_eq!(lake.label_values("node", &Selection::all()).unwrap(), ["a", "b"]);
        assert_eq!(lake.label_values("__name__", &Selection::all()).unwrap(), ["cpu", "mem"]);
        let window = Selection::metric("cpu").between(NOW + 1, NOW + MINUTE);
        assert!(read(&lake, &window).iter().all(|(_, samples)| samples == &bits(&[(NOW + MINUTE, 2.0)])));
        let latest = lake.latest(&Selection::all().between(NOW, NOW + HOUR)).unwrap();
        let latest: Vec<_> =
            latest.iter().map(|(labels, sample)| (labels.to_string(), sample.value)).collect();
        let newest = if cut { 3.0 } else { 2.0 };
        assert_eq!(
            latest,
            [
                (r#"cpu{node="a"}"#.to_owned(), newest),
                (r#"cpu{node="b"}"#.to_owned(), 2.0),
                (r#"mem{node="b"}"#.to_owned(), 2.0),
            ]
        );
    }
    // Early stop reads nothing more; a budget is an error, not a shorter answer.
    assert!(lake.scan(&Selection::all()).unwrap().next().is_some());
    drop(lake);
    let small = Lake::open(LakeConfig { query_samples: 3, ..config(dir.path()) }).unwrap();
    let outcome: Result<Vec<_>, _> = small.scan(&Selection::all()).unwrap().collect();
    assert!(matches!(outcome, Err(LakeError::OverBudget { limit: 3, unit: "samples" })));
}

#[test]
fn latest_survives_a_restart_after_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    put(&lake, "cpu", "a", &[(NOW, 1.0), (NOW + 1, 2.0)]);
    lake.flush().unwrap();
    drop(lake);
    let lake = open(dir.path());
    assert_eq!(lake.latest(&Selection::metric("cpu").between(NOW, NOW + 5)).unwrap()[0].1.value, 2.0);
}

#[test]
fn a_folder_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    assert!(matches!(Lake::open(config(dir.path())), Err(LakeError::Locked(_))));
    let other = tempfile::tempdir().unwrap();
    let batch = open(other.path()).batch();
    let mut filled = batch;
    filled.series(&[("__name__", "m")]).unwrap();
    filled.sample(NOW, 1.0);
    assert_eq!(lake.append(&filled, NOW), Err(AppendError::ForeignBatch));
    drop(lake);
    open(dir.path());
}

#[test]
fn wrong_configuration_names_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = config(dir.path());
    wrong.tiers[1].resolution = std::time::Duration::from_secs(7 * 60);
    let Err(LakeError::Config(text)) = Lake::open(wrong) else { panic!("accepted") };
    assert_eq!(text, "tiers[1].resolution: must divide block_span");
}
