//! Prices, questions and rebalancing on a running server, with agents that obey.

use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Agent, Estate, answer, service};

/// Two rented nodes: `one` is cheap and `two` dear; a service on each, though both fit on either.
struct Rented<'a> {
    one: Agent<'a>,
    two: Agent<'a>,
}

impl<'a> Rented<'a> {
    async fn new(estate: &'a Estate) -> Self {
        let (one, two) = (estate.join("one").await, estate.join("two").await);
        for (name, hour) in [("one", "1"), ("two", "3")] {
            let price = json!({"price": {"amount": hour, "currency": "USD"}});
            let labels = json!({"instance_type": "box", "zone": format!("zone-{name}")});
            estate.apply(json!({"kind": "node", "name": name, "labels": labels, "spec": price})).await;
        }
        for (name, node) in [("left", "one"), ("right", "two")] {
            let mut pinned = service(name, 1);
            pinned["spec"]["placement"] = json!({"selector": format!("node={node}")});
            estate.apply(pinned.clone()).await;
        }
        let rented = Self { one, two };
        rented.obey(1, 1).await;
        for name in ["left", "right"] {
            estate.apply(service(name, 1)).await;
        }
        rented
    }

    /// Both agents obey what they are told, once it is so many replicas.
    async fn obey(&self, one: usize, two: usize) {
        let told = self.one.poll_until(|replicas| replicas.len() == one).await;
        self.one.obey(&told, "running").await;
        let told = self.two.poll_until(|replicas| replicas.len() == two).await;
        self.two.obey(&told, "running").await;
    }
}

/// Agents here speak when asked to; no node is lost meanwhile.
async fn patient() -> Estate {
    Estate::with(|config| config.lease = lepton_model::Period::from_secs(600)).await
}

/// A policy whose rounds follow each other at once.
fn policy(mode: &str, budget: Value) -> Value {
    let spec = json!({"rebalance": {"mode": mode, "every": "1s", "budget": budget}});
    json!({"kind": "policy", "name": "default", "spec": spec})
}

const POLICY: &str = "/v1/objects/policy/estate/default";

#[tokio::test]
async fn a_plan_tells_costs_and_answers_what_if() {
    let estate = patient().await;
    let _rented = Rented::new(&estate).await;
    let plan = async |body: Value| {
        let (status, plan) = estate.post("/v1/plan", body).await;
        assert_eq!(status, 200, "{plan}");
        plan
    };
    let as_it_is = plan(json!({})).await;
    assert_eq!(as_it_is["report"]["cost_before"], json!({"amount": "4", "currency": "USD"}), "{as_it_is}");
    assert_eq!(as_it_is["report"]["moves"], json!([]));
    let cheaper = plan(json!({"strategy": "cost"})).await;
    let report = &cheaper["report"];
    assert_eq!(
        (&report["moves"][0]["from"], &report["moves"][0]["to"]),
        (&json!("two"), &json!("one")),
        "{report}"
    );
    assert_eq!((&report["cost_aim"]["amount"], &report["idle"]), (&json!("1"), &json!(["two"])));
    let dearer = plan(json!({"strategy": "cost", "what_if": ["price=node=one*9"]})).await;
    assert_eq!(dearer["report"]["moves"][0]["to"], "two", "{dearer}");
    let lost = plan(json!({"what_if": ["lose-zone=zone-one"]})).await;
    let start = lost["actions"].as_array().unwrap().iter().find(|a| a["kind"]["start"].is_object()).unwrap();
    assert_eq!((&start["replica"]["name"], &start["kind"]["start"]["node"]), (&json!("left"), &json!("two")));
    assert_eq!(plan(json!({})).await["actions"], json!([]), "nothing was changed by asking");
    for (body, field) in [
        (json!({"what_if": ["lose-zone=mars"]}), "what_if[0]"),
        (json!({"what_if": ["boom"]}), "what_if[0]"),
        (json!({"strategy": "cheap"}), "strategy"),
    ] {
        let (status, problem) = estate.post("/v1/plan", body).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let (status, file) = estate.get("/v1/estate").await;
    assert_eq!((status.as_u16(), &file["prices"]["two"]["hour"]), (200, &json!("3")), "{file}");
    let viewer = estate.token("eve", "viewer", None).await;
    let refused = estate.request(Method::GET, "/v1/estate", &viewer).send().await.unwrap();
    assert_eq!(answer(refused).await.0, 403);
}

#[tokio::test]
async fn advice_is_given_and_nothing_moves() {
    let estate = patient().await;
    let rented = Rented::new(&estate).await;
    // Nobody wrote a policy: the usual one advises.
    let policy = estate.until(POLICY, |policy| policy["status"]["advice"].is_object()).await;
    let advice = &policy["status"]["advice"];
    assert_eq!(
        (&policy["spec"]["rebalance"]["mode"], &advice["moves"]),
        (&json!("advise"), &json!(1)),
        "{policy}"
    );
    assert_eq!(advice["summary"], "1 move would save 3 USD an hour, 2190 a month, once two are given back");
    let (_, status) = estate.get("/v1/status").await;
    assert_eq!(status["advice"], advice["summary"]);
    rented.obey(1, 1).await;
    assert_eq!(policy["status"]["done"], json!([]));
}

#[tokio::test]
async fn acting_moves_verifies_reports_the_saving_and_rests() {
    let estate = patient().await;
    let rented = Rented::new(&estate).await;
    estate.apply(policy("act", json!({}))).await;
    rented.obey(2, 0).await;
    let done = estate.until(POLICY, |policy| policy["status"]["done"][0].is_object()).await;
    let step = &done["status"]["done"][0];
    assert_eq!((&step["outcome"], &step["cost_after"]["amount"]), (&json!("ok"), &json!("1")), "{step}");
    assert_eq!(step["message"], "moved 1 replicas, all serve; expected to save 3 USD an hour, saves 3");
    let (_, page) = estate.get("/v1/timeline?act=rebalance").await;
    let told: Vec<_> = page["entries"].as_array().unwrap().iter().map(|e| e["reason"].clone()).collect();
    assert!(told.contains(&step["message"]), "{told:?}");
    // Looked again, found nothing, moved nothing.
    let rested = estate.until(POLICY, |policy| policy["status"]["advice"].is_null()).await;
    assert_eq!(rested["status"]["done"].as_array().map(Vec::len), Some(1), "{rested}");
    rented.obey(2, 0).await;
}

#[tokio::test]
async fn a_move_that_does_not_serve_pauses_rebalancing() {
    let estate = patient().await;
    let rented = Rented::new(&estate).await;
    let mut impatient = policy("act", json!({}));
    impatient["spec"]["rebalance"]["verify_within"] = "1s".into();
    estate.apply(impatient).await;
    let told = rented.one.poll_until(|replicas| replicas.len() == 2).await;
    rented.one.obey(&told, "starting").await;
    let paused = estate.until(POLICY, |policy| policy["status"]["paused_until"].is_string()).await;
    assert_eq!(paused["status"]["done"][0]["outcome"], "failed", "{paused}");
}

#[tokio::test]
async fn a_project_without_budget_and_a_policy_of_another_name_are_respected() {
    let estate = patient().await;
    let _rented = Rented::new(&estate).await;
    estate.apply(policy("act", json!({"per_hour": 0}))).await;
    let ran = |list: &Value| {
        list.as_array().unwrap().iter().any(|r| r["name"] == "rebalance" && r["runs"].as_u64() > Some(2))
    };
    estate.until("/v1/reconcilers", ran).await;
    let (_, policy) = estate.get(POLICY).await;
    assert!(policy["status"]["advice"].is_null() && policy["status"]["running"].is_null(), "{policy}");
    let check = async |spec: Value, name: &str, field: &str| {
        let manifest = json!({"kind": "policy", "name": name, "spec": spec});
        let (status, problem) = estate.post("/v1/apply", json!({"manifests": [manifest]})).await;
        let field = format!("manifests[0].{field}");
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    };
    check(json!({}), "other", "name").await;
    check(json!({"rebalance": {"mode": "maybe"}}), "default", "spec.rebalance.mode").await;
    check(json!({"rebalance": {"strategy": "priority"}}), "default", "spec.rebalance.strategy").await;
    check(json!({"rebalance": {"budget": {"concurrent": 0}}}), "default", "spec.rebalance.budget.concurrent")
        .await;
    check(json!({"rebalance": {"horizon": "1s"}}), "default", "spec.rebalance.horizon").await;
}
