//! The timeline.

use lepton_model::{Act, Key, Kind, PlanId, Subject, Timestamp};
use serde_json::json;

use super::{Tried, at, entry, key, name, put, record, unique};
use crate::{Expect, TimelineInput, Transaction};

async fn reasons(store: &Tried, input: TimelineInput) -> String {
    let entries = store.timeline(&input).await.unwrap();
    assert!(entries.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "oldest first");
    entries.iter().map(|recorded| recorded.entry.reason.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) async fn entries_come_with_their_changes(store: Tried) {
    let shop = key("shop");
    let mut line = entry(&shop, Act::Apply, "first");
    line.subject.replica = Some(3);
    line.node = Some(name("edge-1"));
    line.plan = Some(PlanId::from_parts(at(0), unique()));
    line.before = Some(json!({"n": [1, null]}));
    line.after = Some(json!("text"));
    let transaction = Transaction {
        changes: vec![put(&shop, json!({}), Expect::Any)],
        timeline: vec![line.clone()],
        fence: None,
    };
    assert_eq!(store.commit(at(0), transaction).await.unwrap().appended, 1);
    let found = store.timeline(&TimelineInput::default()).await.unwrap();
    assert_eq!(
        found.iter().map(|recorded| &recorded.entry).collect::<Vec<_>>(),
        [&line],
        "every field comes back"
    );
    assert!(store.has_entry(line.id).await.unwrap());
}

pub(super) async fn known_entries_are_skipped(store: Tried) {
    let (a, b) = (entry(&key("a"), Act::Start, "a"), entry(&key("a"), Act::Exit, "b"));
    assert_eq!(record(&store, vec![a.clone()]).await, 1);
    let mut changed = a.clone();
    changed.reason = "rewritten".into();
    assert_eq!(record(&store, vec![changed, b.clone(), b.clone()]).await, 1, "known, new, twice in one");
    assert_eq!(reasons(&store, TimelineInput::default()).await, "a b", "what is written stays as it was");
}

pub(super) async fn filters_choose(store: Tried) {
    let (shop, bank) = (key("shop"), Key::new(Kind::Job, name("bank"), name("shop")));
    let plan = PlanId::from_parts(at(0), unique());
    let mut entries = vec![
        entry(&shop, Act::Start, "1"),
        entry(&shop, Act::Exit, "2"),
        entry(&shop, Act::Start, "3"),
        entry(&bank, Act::Start, "4"),
        entry(&key("other"), Act::Plan, "5"),
    ];
    entries[1].subject.replica = Some(0);
    entries[2].subject.replica = Some(1);
    entries[2].node = Some(name("edge-1"));
    entries[3].node = Some(name("edge-1"));
    entries[4].plan = Some(plan);
    for (n, entry) in entries.iter_mut().enumerate() {
        entry.at = at(i64::try_from(n).unwrap() * 10);
    }
    record(&store, entries).await;
    let subject = |replica| Some(Subject { replica, ..Subject::from(shop.clone()) });
    let all = TimelineInput::default;
    for (input, expect) in [
        (all(), "1 2 3 4 5"),
        (TimelineInput { subject: subject(None), ..all() }, "1 2 3"),
        (TimelineInput { subject: subject(Some(1)), ..all() }, "3"),
        (TimelineInput { kind: Some(Kind::Job), ..all() }, "4"),
        (TimelineInput { project: Some(name("bank")), ..all() }, "4"),
        (TimelineInput { project: Some(Key::default_project()), kind: Some(Kind::Job), ..all() }, ""),
        (TimelineInput { node: Some(name("edge-1")), ..all() }, "3 4"),
        (TimelineInput { acts: vec![Act::Exit, Act::Plan], ..all() }, "2 5"),
        (TimelineInput { plan: Some(plan), ..all() }, "5"),
        (TimelineInput { since: Some(at(10)), until: Some(at(30)), ..all() }, "2 3"),
        (TimelineInput { acts: vec![Act::Start], node: Some(name("edge-1")), limit: 1, ..all() }, "4"),
    ] {
        assert_eq!(reasons(&store, input.clone()).await, expect, "{input:?}");
    }
}

pub(super) async fn newest_or_following(store: Tried) {
    let lines = (0..10).map(|n| entry(&key("shop"), Act::Start, &n.to_string())).collect();
    record(&store, lines).await;
    let newest = TimelineInput { limit: 3, ..TimelineInput::default() };
    assert_eq!(reasons(&store, newest.clone()).await, "7 8 9");
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let input = TimelineInput { after: Some(after), limit: 4, ..TimelineInput::default() };
        let page = store.timeline(&input).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        seen.extend(page.into_iter().map(|recorded| recorded.entry.reason));
    }
    assert_eq!(seen.join(" "), "0 1 2 3 4 5 6 7 8 9");
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let input = TimelineInput { before, limit: 4, ..TimelineInput::default() };
        let page = store.timeline(&input).await.unwrap();
        let Some(first) = page.first() else { break };
        before = Some(first.sequence);
        seen.push(page.into_iter().map(|recorded| recorded.entry.reason).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(seen, ["6 7 8 9", "2 3 4 5", "0 1"]);
}

pub(super) async fn old_entries_are_forgotten(store: Tried) {
    let lines = (0..10).map(|n| {
        let mut line = entry(&key("shop"), Act::Start, &n.to_string());
        line.at = at(n * 10);
        line
    });
    record(&store, lines.collect()).await;
    let last = store.timeline(&TimelineInput::default()).await.unwrap().last().unwrap().sequence;
    assert_eq!(store.compact(Timestamp::from_millis(0), at(70)).await.unwrap(), 7);
    assert_eq!(reasons(&store, TimelineInput::default()).await, "7 8 9");
    store.compact(Timestamp::from_millis(0), at(1_000)).await.unwrap();
    record(&store, vec![entry(&key("shop"), Act::Start, "new")]).await;
    let input = TimelineInput { after: Some(last), ..TimelineInput::default() };
    assert_eq!(reasons(&store, input).await, "new", "sequence numbers are never used again");
}
