//! Logs: kept, rotated under a running process, followed.

use lepton_model::{Bytes, ReplicaPhase};
use tokio_stream::StreamExt as _;

use super::rig::{BOUND, Rig, replica, service};

#[tokio::test]
async fn the_last_lines_are_read() {
    let mut rig = Rig::new().await;
    rig.apply(vec![service("shop", "seq 1 5; printf 6; exec sleep 300")]).await;
    rig.output_until(&replica("shop"), |output| output.ends_with("5\n6")).await;
    let tail = async |lines: u64| {
        let mut stream = rig.supervisor.logs(&replica("shop"), lines, false).unwrap();
        let mut text = String::new();
        while let Some(piece) = stream.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
        text
    };
    assert_eq!(tail(0).await, "");
    assert_eq!(tail(1).await, "6");
    assert_eq!(tail(3).await, "4\n5\n6");
    assert_eq!(tail(99).await, "1\n2\n3\n4\n5\n6");
    assert!(rig.supervisor.logs(&replica("other"), 1, false).is_none());
    rig.stop().await;
}

/// Two megabytes of numbered lines through a log of 256 KiB, read while they are written: every line arrives, in order.
#[tokio::test]
async fn following_loses_nothing_to_rotation() {
    let mut rig = Rig::new().await;
    // In bursts, so that rotation, which looks every two seconds, comes in between.
    let mut shop =
        service("shop", "for i in 1 2 3 4; do seq ${i}00000 ${i}80000; sleep 2.2; done; exec sleep 300");
    shop.spec.logs.max_size = Bytes::new(256 << 10);
    shop.spec.logs.keep = 2;
    rig.apply(vec![shop]).await;
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    let mut stream = rig.supervisor.logs(&replica("shop"), 1_000_000, true).unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(b"\n480000\n") {
            bytes.extend_from_slice(&stream.next().await.unwrap().unwrap());
        }
    };
    tokio::time::timeout(BOUND, read).await.expect("the last line arrives");
    let log = rig.path("state/replicas/service_default_shop_0/log");
    let sizes: Vec<(String, u64)> = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    assert!(sizes.iter().any(|(file, _)| file == "1.log"), "{sizes:?}");
    assert!(sizes.iter().all(|(file, _)| file != "3.log"), "{sizes:?}");
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("rotated away"));
    let lines: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let expect: Vec<u64> = (1..=4).flat_map(|i| i * 100_000..=i * 100_000 + 80_000).collect();
    assert!(lines == expect, "{} lines of {}", lines.len(), expect.len());
    drop(stream);
    rig.stop().await;
}
