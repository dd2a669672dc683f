//! The disk queue: every cut, every flipped bit, too little room, several readers.

use std::fs;
use std::path::{Path, PathBuf};

use lepton_agent::spool::{Reader, SpoolConfig, Writer, open};

const ROOMY: SpoolConfig = SpoolConfig { max_bytes: 1 << 20, segment_bytes: 1 << 18 };

fn record(number: usize) -> Vec<u8> {
    format!("record {number} {}", "x".repeat(number % 7)).into_bytes()
}

fn put(writer: &mut Writer, numbers: std::ops::Range<usize>) -> u64 {
    numbers
        .map(|number| {
            writer.roll_if_due().unwrap();
            writer.append(&record(number)).unwrap()
        })
        .sum()
}

/// Numbers of the records that come, all acknowledged when `take`.
fn drain(reader: &mut Reader, take: bool) -> Vec<usize> {
    let (mut payload, mut found) = (Vec::new(), Vec::new());
    while let Some(at) = reader.read(&mut payload).unwrap() {
        let text = String::from_utf8(payload.clone()).unwrap();
        let number = text.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(payload, record(number));
        found.push(number);
        if take {
            reader.acknowledge(at.end).unwrap();
        }
    }
    found
}

fn only_segment(folder: &Path) -> PathBuf {
    let mut files = segments(folder);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "seg"));
    files.sort();
    files
}

/// A queue of `count` records in one segment, as a crash leaves it.
fn crashed(count: usize) -> (tempfile::TempDir, Vec<u8>, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(folder.path(), ROOMY, &["a"]).unwrap();
    put(&mut writer, 0..count);
    drop(writer);
    let path = only_segment(folder.path());
    let bytes = fs::read(&path).unwrap();
    (folder, bytes, path)
}

#[test]
fn cut_at_any_byte_what_is_whole_is_read_and_writing_goes_on() {
    let (folder, bytes, path) = crashed(8);
    for cut in 0..=bytes.len() {
        for file in segments(folder.path()) {
            fs::remove_file(file).unwrap();
        }
        let _ = fs::remove_file(folder.path().join("a.cursor"));
        fs::write(&path, &bytes[..cut]).unwrap();
        let (mut writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
        put(&mut writer, 100..103);
        let found = drain(&mut readers[0], true);
        let (old, new) = found.split_at(found.len() - 3);
        assert_eq!(old, (0..old.len()).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(new, [100, 101, 102], "cut at {cut}");
        assert!(cut < bytes.len() || old.len() == 8);
    }
}

#[test]
fn any_flipped_byte_costs_at_most_the_rest_of_its_segment() {
    let (folder, bytes, path) = crashed(8);
    for at in 0..bytes.len() {
        for file in segments(folder.path()) {
            fs::remove_file(file).unwrap();
        }
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x55;
        fs::write(&path, &flipped).unwrap();
        let (mut writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
        put(&mut writer, 100..102);
        // Not acknowledged, so the cursor stays at the start for the next round.
        let found = drain(&mut readers[0], false);
        let (old, new) = found.split_at(found.len() - 2);
        assert_eq!(old, (0..old.len()).collect::<Vec<_>>(), "flipped {at}");
        assert!(old.len() < 8, "flipped {at} and not noticed");
        assert_eq!(new, [100, 101], "flipped {at}");
    }
}

#[test]
fn what_is_acknowledged_is_never_read_again_and_the_rest_always() {
    let folder = tempfile::tempdir().unwrap();
    let mut expect = 0;
    for round in 0..20 {
        let (mut writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
        put(&mut writer, round * 10..round * 10 + 10);
        let mut payload = Vec::new();
        // Reads ahead, acknowledges less, and is gone.
        for step in 0..9 {
            let at = readers[0].read(&mut payload).unwrap().unwrap();
            assert_eq!(payload, record(expect + step));
            if step == 6 {
                readers[0].acknowledge(at.end).unwrap();
            }
        }
        expect += 7;
    }
    let (_, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
    assert_eq!(drain(&mut readers[0], true), (140..200).collect::<Vec<_>>());
    let (_, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
    assert!(drain(&mut readers[0], true).is_empty());
    // Emptied, and opened again: old cursors do not point into new segments.
    let (mut writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
    put(&mut writer, 500..503);
    assert_eq!(drain(&mut readers[0], true), [500, 501, 502]);
}

#[test]
fn the_oldest_goes_first_and_every_reader_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let small = SpoolConfig { max_bytes: 8_000, segment_bytes: 1_000 };
    let (mut writer, mut readers) = open(folder.path(), small, &["fast", "slow"]).unwrap();
    let mut lost = 0;
    let mut fast = Vec::new();
    for number in 0..1_000 {
        lost += put(&mut writer, number..number + 1);
        fast.extend(drain(&mut readers[0], true));
        assert!(writer.bytes() <= small.max_bytes);
    }
    assert_eq!(fast, (0..1_000).collect::<Vec<_>>(), "who keeps up loses nothing");
    let slow = drain(&mut readers[1], true);
    assert_eq!(
        slow,
        (1_000 - slow.len()..1_000).collect::<Vec<_>>(),
        "what is left is the newest, without gaps"
    );
    assert_eq!(lost, 1_000 - slow.len() as u64);
    assert!(slow.len() > 100);
    assert!(writer.is_read());
}

#[test]
fn what_everyone_has_read_leaves_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
    for number in 0..20_000 {
        put(&mut writer, number..number + 1);
        drain(&mut readers[0], true);
    }
    assert!(writer.bytes() < 100_000, "{} bytes", writer.bytes());
    assert_eq!(segments(folder.path()).len(), 1);
}

#[test]
fn a_reader_that_left_holds_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = open(folder.path(), ROOMY, &["a", "gone"]).unwrap();
    put(&mut writer, 0..10);
    drop(writer);
    let (_writer, mut readers) = open(folder.path(), ROOMY, &["a"]).unwrap();
    assert_eq!(drain(&mut readers[0], true).len(), 10);
    assert!(!folder.path().join("gone.cursor").exists());
}

#[test]
fn a_full_disk_costs_the_oldest_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let point = folder.path().to_str().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k", "none", point])
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: mounting a small tmpfs is not permitted here");
        return;
    }
    let roomy = SpoolConfig { max_bytes: 1 << 20, segment_bytes: 16 << 10 };
    let (mut writer, mut readers) = open(folder.path(), roomy, &["a"]).unwrap();
    let lost = put(&mut writer, 0..10_000);
    let found = drain(&mut readers[0], true);
    drop((writer, readers));
    let unmounted = std::process::Command::new("umount").arg(point).status().unwrap();
    assert!(unmounted.success());
    assert!(lost > 0 && found.len() > 1_000);
    assert_eq!(found, (10_000 - found.len()..10_000).collect::<Vec<_>>());
    assert_eq!(lost, 10_000 - found.len() as u64);
}
