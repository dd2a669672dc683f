//! Lists: selectors, order, pages.

use lepton_model::{Key, Kind};
use serde_json::json;

use super::{Tried, commit, delete, key, name, put, put_labelled, word};
use crate::{Expect, ListInput};

/// Names of all pages, and how many pages there were.
async fn names(store: &Tried, input: ListInput) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut input) = (Vec::new(), 0, input);
    loop {
        let page = store.list(Kind::Service, input.clone()).await.unwrap();
        pages += 1;
        names.extend(page.items.iter().map(|object| object.meta.name.to_string()));
        match page.next {
            Some(next) => input.after = Some(next),
            None => return (names, pages),
        }
    }
}

pub(super) async fn selectors_choose(store: Tried) {
    let objects: [(&str, &[(&str, &str)]); 4] = [
        ("plain", &[]),
        ("web", &[("tier", "web"), ("cloud", "aws")]),
        ("db", &[("tier", "db"), ("cloud", "aliyun")]),
        ("spot", &[("tier", "web"), ("cloud", "aliyun"), ("spot", "")]),
    ];
    for (name, pairs) in objects {
        commit(&store, vec![put_labelled(&key(name), pairs, json!({}), Expect::Any)]).await.unwrap();
    }
    // A changed label counts as it is now.
    commit(&store, vec![put_labelled(&key("moved"), &[("tier", "web")], json!({}), Expect::Any)])
        .await
        .unwrap();
    commit(&store, vec![put_labelled(&key("moved"), &[("tier", "old")], json!({}), Expect::Any)])
        .await
        .unwrap();
    for (selector, expect) in [
        ("", "db moved plain spot web"),
        ("tier=web", "spot web"),
        ("tier in (web, db)", "db spot web"),
        ("tier!=web", "db moved plain"),
        ("tier notin (web, db)", "moved plain"),
        ("spot", "spot"),
        ("!spot, tier", "db moved web"),
        ("tier=web, cloud=aliyun", "spot"),
        ("nothing=here", ""),
    ] {
        let input = ListInput { selector: selector.parse().unwrap(), ..ListInput::default() };
        assert_eq!(names(&store, input).await.0.join(" "), expect, "{selector:?}");
    }
}

pub(super) async fn pages_are_in_order(store: Tried) {
    let all: Vec<String> = (0..25).map(|n| format!("s-{n:02}")).collect();
    let changes = all.iter().rev().map(|name| put(&key(name), json!({}), Expect::Any)).collect();
    commit(&store, changes).await.unwrap();
    for (limit, pages) in [(0, 1), (25, 1), (10, 3), (5, 5), (1, 25)] {
        let input = ListInput { limit, ..ListInput::default() };
        assert_eq!(names(&store, input).await, (all.clone(), pages), "limit {limit}");
    }
    let page = store.list(Kind::Job, ListInput::default()).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none(), "another kind");
}

pub(super) async fn pages_are_stable_under_writes(store: Tried) {
    let stay: Vec<String> = (0..40).map(|n| format!("stay-{n:02}")).collect();
    commit(&store, stay.iter().map(|name| put(&key(name), json!({}), Expect::Any)).collect()).await.unwrap();
    let (mut seen, mut input, mut round) = (Vec::new(), ListInput { limit: 7, ..ListInput::default() }, 0);
    loop {
        let page = store.list(Kind::Service, input.clone()).await.unwrap();
        seen.extend(page.items.iter().map(|object| object.meta.name.to_string()));
        // Between two pages, others come and go on both sides of where the list stands.
        let churn = ["a", "stay-20-x", "z"].map(|place| key(&format!("{place}-{round}")));
        commit(&store, churn.iter().map(|key| put(key, json!({}), Expect::Any)).collect()).await.unwrap();
        if round > 0 {
            let gone = key(&format!("a-{}", round - 1));
            commit(&store, vec![delete(&gone, Expect::Present)]).await.unwrap();
        }
        let Some(next) = page.next else { break };
        input.after = Some(next);
        round += 1;
    }
    let stayed: Vec<String> = seen.into_iter().filter(|name| stay.contains(name)).collect();
    assert_eq!(stayed, stay, "each of those that stayed, once");
}

pub(super) async fn bad_tokens_are_refused(store: Tried) {
    for token in ["", "x", "a/b/c", "A/b", "' OR 1=1 --", "default/"] {
        let input = ListInput { after: Some(token.to_owned()), ..ListInput::default() };
        assert_eq!(word(&store.list(Kind::Service, input).await), "invalid", "{token:?}");
    }
}

pub(super) async fn projects_are_apart(store: Tried) {
    let (shop, bank) = (key("x"), Key::new(Kind::Service, name("bank"), name("x")));
    commit(&store, vec![put(&shop, json!({"in": "shop"}), Expect::Absent)]).await.unwrap();
    commit(&store, vec![put(&bank, json!({"in": "bank"}), Expect::Absent)]).await.unwrap();
    let listed = |project: Option<&str>| {
        let input = ListInput { project: project.map(name), ..ListInput::default() };
        let store = store.clone();
        async move {
            let page = store.list(Kind::Service, input).await.unwrap();
            page.items.iter().map(|object| object.meta.project.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(None).await, ["bank", "default"]);
    assert_eq!(listed(Some("bank")).await, ["bank"]);
    assert!(listed(Some("other")).await.is_empty());
}
