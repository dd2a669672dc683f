//! A server killed in the middle of its work keeps every word it gave.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lepton_model::{Act, Actor, EventId, Outcome, Subject, TimelineEntry};
use lepton_store::Store;
use serde_json::json;

use super::{at, key, open_store, put};

const PATH: &str = "LEPTON_STORE_CRASH_PATH";
const FIRST: &str = "LEPTON_STORE_CRASH_FIRST";
const WRITERS: u64 = 4;

fn entry_id(n: u64) -> EventId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    EventId::from_parts(at(0), random)
}

/// The process that gets killed: several writers, each acknowledged number printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by killed_again_and_again"]
async fn child() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let store = Arc::new(open_store(&path));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in (first..).filter(|n| n % WRITERS == writer) {
                    let mut transaction = put(&format!("w-{writer}"), json!({ "n": n }));
                    transaction.timeline.push(TimelineEntry {
                        id: entry_id(n),
                        at: at(0),
                        actor: Actor::token("crash"),
                        act: Act::Apply,
                        subject: Subject::from(key("x")),
                        node: None,
                        plan: None,
                        reason: String::new(),
                        outcome: Outcome::Ok,
                        before: None,
                        after: None,
                    });
                    store.commit(at(0), transaction).await.unwrap();
                    println!("\nacknowledged {n}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lepton.db");
    let mut acknowledged: Vec<u64> = Vec::new();
    for round in 0..6 {
        let first = round * 1_000_000;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--ignored", "--nocapture"])
            .env(PATH, &path)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: &str| line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok());
        // Killed at another moment each time, with work under way.
        let until = acknowledged.len() + 20 + usize::try_from(round).unwrap() * 7;
        while acknowledged.len() < until {
            let line = lines.next().expect("the child works until it is killed").unwrap();
            acknowledged.extend(number(&line));
        }
        child.kill().unwrap();
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| number(&line)));
        child.wait().unwrap();

        let store = open_store(&path);
        for n in &acknowledged {
            assert!(store.has_entry(entry_id(*n)).await.unwrap(), "{n} was acknowledged and is lost");
        }
        for writer in 0..WRITERS {
            let last = acknowledged.iter().filter(|n| *n % WRITERS == writer).max().unwrap();
            let object = store.get(&key(&format!("w-{writer}"))).await.unwrap().unwrap();
            let there = object.spec["n"].as_u64().unwrap();
            assert!(there >= *last, "{last} was acknowledged, {there} is there");
            assert!(store.has_entry(entry_id(there)).await.unwrap(), "the object came without its entry");
        }
    }
}
