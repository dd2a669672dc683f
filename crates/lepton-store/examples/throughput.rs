//! How fast the store is on this disk: `cargo run --release -p lepton-store --example throughput [folder]`.
//!
//! Every commit counted is synced. Writers are tasks that wait for their commit before they make the next one.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lepton_model::{Act, Actor, EventId, Key, Kind, Name, Outcome, Subject, TimelineEntry, Timestamp, Uid};
use lepton_store::{Change, Expect, ListInput, SqliteConfig, SqliteStore, Store, Transaction};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ROUND: Duration = Duration::from_secs(3);

fn random(a: u64, b: u16) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&a.to_be_bytes());
    bytes[8..].copy_from_slice(&b.to_be_bytes());
    bytes
}

/// What a reconciler writes: a status of about 1 KB, and the line that explains it.
fn transaction(key: Key, writer: u16, n: u64) -> Transaction {
    let status =
        json!({"phase": "running", "n": n, "replicas": vec![json!({"node": "edge-1", "pid": n}); 30]});
    let entry = TimelineEntry {
        id: EventId::from_parts(NOW, random(n, writer)),
        at: NOW,
        actor: Actor::reconciler("health"),
        act: Act::Healthy,
        subject: Subject::from(key.clone()),
        node: None,
        plan: None,
        reason: "its checks pass".into(),
        outcome: Outcome::Ok,
        before: None,
        after: None,
    };
    let changes = vec![Change::PutStatus { key, status, expect: Expect::Present }];
    Transaction { changes, timeline: vec![entry], fence: None }
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("lepton.db"), &SqliteConfig::default())?);
    let mut keys = Vec::new();
    for n in 0..10_000_u64 {
        keys.push(Key::new(Kind::Service, Key::default_project(), Name::new(format!("s-{n:05}"))?));
    }
    let started = Instant::now();
    for (chunk, n) in keys.chunks(500).zip(0_u64..) {
        let put = |key: &Key| Change::PutSpec {
            key: key.clone(),
            uid: Uid::from_parts(NOW, random(n, 0)),
            labels: [("tier".to_owned(), "web".to_owned())].into(),
            spec: json!({"command": ["./serve", "--port", "8080"], "replicas": 3}),
            expect: Expect::Absent,
        };
        let changes = chunk.iter().map(put).collect();
        store.commit(NOW, Transaction { changes, ..Transaction::default() }).await?;
    }
    println!("10,000 objects made, 500 in a transaction: {:.2?}", started.elapsed());

    for writers in [1_u16, 16, 128] {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let (store, key) = (Arc::clone(&store), keys.get(usize::from(writer)).cloned().ok_or("no key")?);
            tasks.spawn(async move {
                let mut commits = 0_u64;
                while started.elapsed() < ROUND {
                    store
                        .commit(
                            NOW,
                            transaction(key.clone(), writer, commits + u64::from(writers) * 1_000_000),
                        )
                        .await?;
                    commits += 1;
                }
                Ok::<_, Failure>(commits)
            });
        }
        let mut commits = 0;
        while let Some(done) = tasks.join_next().await {
            commits += done??;
        }
        println!("{writers} writers: {:.0} commits/s", commits as f64 / started.elapsed().as_secs_f64());
    }

    let (started, mut after, mut listed) = (Instant::now(), None, 0);
    loop {
        let page =
            store.list(Kind::Service, ListInput { limit: 5_000, after, ..ListInput::default() }).await?;
        listed += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    println!("{listed} objects listed: {:.2?}", started.elapsed());
    let (started, selector) = (Instant::now(), "tier=db".parse()?);
    store.list(Kind::Service, ListInput { selector, ..ListInput::default() }).await?;
    println!("10,000 objects searched by label: {:.2?}", started.elapsed());
    let started = Instant::now();
    for key in keys.iter().take(5_000) {
        store.get(key).await?;
    }
    println!("get: {:.1?} each", started.elapsed() / 5_000);
    let started = Instant::now();
    let report = store.backup(&folder.path().join("copy")).await?;
    println!("backup of {} MiB, checked: {:.2?}", report.bytes >> 20, started.elapsed());
    Ok(())
}
