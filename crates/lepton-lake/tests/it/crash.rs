//! Whatever happens to the process or the tail of the log: nothing acknowledged is lost, nothing comes twice.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lepton_lake::{Lake, LakeConfig, LakeError, Selection};

use crate::it::fixture::{DAY, bits, config, open, put, read};

const NOW: i64 = 20_000 * DAY;
const CHILD: &str = "LEPTON_LAKE_CRASH_CHILD";

fn only_segment(dir: &Path) -> PathBuf {
    let mut segments: Vec<_> =
        std::fs::read_dir(dir.join("wal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}

#[test]
fn log_cut_or_damaged_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut ends = vec![0];
    let segment = only_segment(dir.path());
    for at in 0..5 {
        put(&lake, "m", "n", &[(NOW + at, at as f64)]);
        ends.push(std::fs::metadata(&segment).unwrap().len() as usize);
    }
    drop(lake);
    let good = std::fs::read(&segment).unwrap();
    assert_eq!(ends.last(), Some(&good.len()));
    let name = segment.file_name().unwrap();
    let check = |bytes: &[u8], acknowledged: usize, what: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("wal")).unwrap();
        std::fs::write(dir.path().join("wal").join(name), bytes).unwrap();
        // Opened twice: recovery itself must be repeatable, and new writes must follow the old.
        for round in 0..2 {
            let lake = open(dir.path());
            let samples: Vec<_> = (0..acknowledged as i64).map(|at| (NOW + at, at as f64)).collect();
            let got = read(&lake, &Selection::all());
            assert_eq!(
                got.first().map_or(Vec::new(), |series| series.1.clone()),
                bits(&samples),
                "{what}, round {round}"
            );
        }
        let lake = open(dir.path());
        put(&lake, "m", "n", &[(NOW + 100, 1.0)]);
        drop(lake);
        let found = read(&open(dir.path()), &Selection::all())[0].1.len();
        assert_eq!(found, acknowledged + 1, "{what}");
    };
    for cut in 0..=good.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        check(&good[..cut], whole, &format!("cut at {cut}"));
    }
    let last = ends[ends.len() - 2];
    for at in (last..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        check(&bad, 4, &format!("byte {at} damaged"));
    }
}

#[test]
fn interrupted_block_writes_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    put(&lake, "m", "n", &[(NOW, 1.0)]);
    lake.flush().unwrap();
    put(&lake, "m", "n", &[(NOW + 1, 2.0)]);
    drop(lake);
    let blocks = dir.path().join("blocks");
    std::fs::write(blocks.join("0000000099.parquet"), b"torn").unwrap();
    std::fs::write(blocks.join("0000000099.index"), b"").unwrap();
    std::fs::write(blocks.join("0000000100.parquet.tmp"), b"torn").unwrap();
    std::fs::write(blocks.join("manifest.json.tmp"), b"{").unwrap();
    let lake = open(dir.path());
    assert_eq!(lake.recovery().orphans, 4);
    assert_eq!(read(&lake, &Selection::all())[0].1, bits(&[(NOW, 1.0), (NOW + 1, 2.0)]));
}

#[test]
fn a_log_older_than_the_blocks_is_not_read_again() {
    // As if the process died after the manifest was renamed and before the segment was deleted.
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    put(&lake, "m", "n", &[(NOW, 1.0)]);
    let segment = only_segment(dir.path());
    let kept = std::fs::read(&segment).unwrap();
    lake.flush().unwrap();
    drop(lake);
    std::fs::write(&segment, kept).unwrap();
    let lake = open(dir.path());
    assert_eq!(lake.recovery().samples, 0);
    assert_eq!(read(&lake, &Selection::all())[0].1, bits(&[(NOW, 1.0)]));
}

#[test]
fn damaged_blocks_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    put(&lake, "m", "n", &[(NOW, 1.0)]);
    lake.flush().unwrap();
    drop(lake);
    let block = dir.path().join("blocks/0000000001.parquet");
    let good = std::fs::read(&block).unwrap();
    std::fs::write(&block, &good[..good.len() - 1]).unwrap();
    assert!(matches!(Lake::open(config(dir.path())), Err(LakeError::Damaged { path, .. }) if path == block));
}

/// Not a test of its own: what the next one runs and kills.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let lake = Lake::open(LakeConfig { head_limit: 1 << 20, ..config(Path::new(&dir)) }).unwrap();
    let mut next = read(&lake, &Selection::all()).first().map_or(0, |series| series.1.len() as i64);
    loop {
        let samples: Vec<_> = (next..next + 50).map(|at| (NOW + at * 10, at as f64 + 0.1)).collect();
        put(&lake, "m", "n", &samples);
        next += 50;
        println!("acknowledged {next}");
        if next % 1000 == 0 {
            lake.maintain(NOW + next * 10 + DAY * 2).unwrap();
        }
    }
}

#[test]
fn killed_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "it::crash::child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wanted = 20 + round * 13;
        while wanted > 0 {
            let line = lines.next().expect("child died").unwrap();
            if let Some((_, count)) = line.split_once("acknowledged ") {
                acknowledged = count.parse().unwrap();
                wanted -= 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            if let Some(count) =
                line.unwrap().split_once("acknowledged ").and_then(|(_, count)| count.parse().ok())
            {
                acknowledged = count;
            }
        }
        let lake = open(dir.path());
        let series = read(&lake, &Selection::all());
        let found = &series[0].1;
        assert!(found.len() as i64 >= acknowledged, "{} of {acknowledged} acknowledged", found.len());
        let all: Vec<_> = (0..found.len() as i64).map(|at| (NOW + at * 10, at as f64 + 0.1)).collect();
        assert_eq!(*found, bits(&all), "round {round}");
    }
}
