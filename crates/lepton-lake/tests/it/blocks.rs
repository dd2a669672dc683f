//! Cutting, merging, downsampling, forgetting, and copies.

use std::time::Duration;

use lepton_lake::{Lake, LakeConfig, Selection};

use crate::it::fixture::{DAY, HOUR, MINUTE, bits, config, open, put, put_at, read};

const START: i64 = 20_000 * DAY;

/// A day and a half of two series at one sample a minute, maintained as it comes.
fn fill(lake: &Lake, until: i64) {
    let mut time = START + MINUTE;
    while time <= until {
        let hour: Vec<_> =
            (0..60).map(|at| (time + at * MINUTE, ((time / MINUTE + at) % 97) as f64)).collect();
        for node in ["a", "b"] {
            put(lake, "m", node, &hour);
        }
        time += HOUR;
        lake.maintain(time).unwrap();
    }
}

#[test]
fn windows_are_cut_merged_and_downsampled() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    fill(&lake, START + 36 * HOUR);
    let stats = lake.stats();
    // One merged day, and of the second day the windows that have ended; each with its tiers.
    assert!(stats.raw_samples >= 2 * 34 * 60, "{stats:?}");
    let before = read(&lake, &Selection::all());
    assert_eq!(before[0].1.len(), 36 * 60);
    let settled = lake.maintain(START + 50 * HOUR).unwrap();
    assert!(settled.merged_blocks > 1, "{settled:?}");
    let stats = lake.stats();
    assert_eq!((stats.raw_blocks, stats.tier_blocks, stats.head_samples), (2, 4, 0), "{stats:?}");
    assert_eq!(read(&lake, &Selection::all()), before);
    assert_eq!(
        lake.maintain(START + 50 * HOUR).unwrap(),
        Default::default(),
        "a second round has nothing to do"
    );
    drop(lake);
    assert_eq!(read(&open(dir.path()), &Selection::all()), before);
}

#[test]
fn late_samples_reach_merged_days() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    fill(&lake, START + 24 * HOUR);
    lake.maintain(START + 26 * HOUR).unwrap();
    let outcome = put_at(&lake, "m", "a", &[(START + 90 * 1000, 7.0)], START + 26 * HOUR);
    assert_eq!(outcome.accepted, 1);
    lake.flush().unwrap();
    lake.maintain(START + 26 * HOUR).unwrap();
    let stats = lake.stats();
    assert_eq!((stats.raw_blocks, stats.tier_blocks), (1, 2), "{stats:?}");
    let found = read(&lake, &Selection::all().between(START + MINUTE, START + 2 * MINUTE));
    let minute = |at: i64| ((START / MINUTE + at) % 97) as f64;
    let want = [(START + MINUTE, minute(1)), (START + 90 * 1000, 7.0), (START + 2 * MINUTE, minute(2))];
    assert_eq!(found[0].1, bits(&want));
}

#[test]
fn old_samples_go_by_age_and_tiers_stay_longer() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    fill(&lake, START + 24 * HOUR);
    lake.maintain(START + 2 * DAY).unwrap();
    let count = |lake: &Lake| (lake.stats().raw_blocks, lake.stats().tier_blocks);
    assert_eq!(count(&lake), (1, 2));
    let report = lake.maintain(START + 4 * DAY).unwrap();
    assert_eq!((report.deleted_blocks, count(&lake)), (1, (0, 2)));
    // Nothing more is taken for a window whose raw samples are gone, also after a restart.
    let late = |lake: &Lake| put_at(lake, "m", "a", &[(START + 23 * HOUR, 1.0)], START + 25 * HOUR).too_old;
    assert_eq!(late(&lake), 1);
    drop(lake);
    let lake = open(dir.path());
    assert_eq!(late(&lake), 1);
    lake.maintain(START + 7 * DAY).unwrap();
    assert_eq!(count(&lake), (0, 1));
    lake.maintain(START + 10 * DAY).unwrap();
    assert_eq!(count(&lake), (0, 0));
    let files = std::fs::read_dir(dir.path().join("blocks")).unwrap().count();
    assert_eq!(files, 1, "only the manifest is left");
}

#[test]
fn space_is_bounded_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    fill(&lake, START + 36 * HOUR);
    lake.maintain(START + 50 * HOUR).unwrap();
    let whole = lake.stats();
    drop(lake);
    let limit = whole.tier_bytes + whole.raw_bytes / 2;
    let lake = Lake::open(LakeConfig { retention_bytes: Some(limit), ..config(dir.path()) }).unwrap();
    lake.maintain(START + 50 * HOUR).unwrap();
    let stats = lake.stats();
    assert!(stats.raw_bytes + stats.tier_bytes <= limit, "{stats:?}");
    assert_eq!(
        read(&lake, &Selection::all())[0].1.first().map(|(time, _)| *time),
        Some(START + DAY + MINUTE)
    );
}

#[test]
fn a_reader_keeps_the_blocks_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    fill(&lake, START + 24 * HOUR);
    lake.maintain(START + 2 * DAY).unwrap();
    let mut scan = lake.scan(&Selection::all()).unwrap();
    lake.maintain(START + 20 * DAY).unwrap();
    assert_eq!(lake.stats().raw_blocks, 0);
    assert_eq!(scan.next().unwrap().unwrap().values.len(), 24 * 60);
    drop(scan);
    assert_eq!(std::fs::read_dir(dir.path().join("blocks")).unwrap().count(), 1);
}

#[test]
fn many_small_blocks_of_one_window_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    for at in 0..40 {
        put(&lake, "m", "a", &[(START + at * 1000 + 1, at as f64)]);
        lake.flush().unwrap();
        lake.maintain(START + HOUR).unwrap();
        assert!(lake.stats().raw_blocks <= 16, "{:?}", lake.stats());
    }
    assert_eq!(read(&lake, &Selection::all())[0].1.len(), 40);
}

#[test]
fn snapshots_open_and_damage_shows() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    let lake = open(&dir.path().join("lake"));
    put(&lake, "m", "a", &[(START, 1.0)]);
    lake.flush().unwrap();
    put(&lake, "m", "a", &[(START + 1, 2.0)]);
    let report = lake.snapshot(&to).unwrap();
    assert_eq!(Lake::verify_snapshot(&to).unwrap(), report);
    put(&lake, "m", "a", &[(START + 2, 3.0)]);
    assert_eq!(read(&open(&to), &Selection::all())[0].1, bits(&[(START, 1.0), (START + 1, 2.0)]));
    let block = to.join("blocks/0000000001.parquet");
    let mut bytes = std::fs::read(&block).unwrap();
    bytes[10] ^= 1;
    std::fs::remove_file(&block).unwrap();
    std::fs::write(&block, bytes).unwrap();
    assert!(Lake::verify_snapshot(&to).unwrap_err().to_string().contains("0000000001.parquet"));
}

#[test]
fn any_parquet_reader_sees_the_columns() {
    use parquet::file::reader::FileReader as _;
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(LakeConfig { late_grace: Duration::ZERO, ..config(dir.path()) }).unwrap();
    let mut batch = lake.batch();
    for core in ["0", "1"] {
        batch.series(&[("__name__", "cpu"), ("node", "a"), ("core", core)]).unwrap();
        batch.sample(START + 5, 1.5);
        batch.sample(START + 15, 2.5);
    }
    lake.append(&batch, START).unwrap();
    lake.flush().unwrap();
    let file = std::fs::File::open(dir.path().join("blocks/0000000001.parquet")).unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[3].contains("metric: \"cpu\"") && rows[3].contains("node: \"a\""), "{}", rows[3]);
    assert!(rows[3].contains("core") && rows[3].contains("value: 2.5"), "{}", rows[3]);
    let statistics = reader.metadata().row_group(0).column(0).statistics().unwrap();
    assert_eq!(statistics.min_bytes_opt(), Some(&b"cpu"[..]));
}
