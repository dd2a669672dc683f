//! Agents: joining, being told, telling, being lost.

use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer, capacity, config, facts, service};

#[tokio::test]
async fn a_join_token_joins_once_and_a_second_join_takes_over() {
    let estate = Estate::new().await;
    let token = estate.token("join", "join", None).await;
    let input = json!({"name": "edge-1", "labels": {"cloud": "aws"}, "facts": facts("edge-1"), "capacity": capacity()});
    // Ten at once with one token: one gets in.
    let attempts = (0..10).map(|_| estate.post_as(&token, "/v1/agents/join", input.clone()));
    let answers = futures::future::join_all(attempts).await;
    let joined: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
    assert_eq!(joined.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, _)| matches!(status.as_u16(), 201 | 401 | 409)), "{answers:?}");
    let first = joined[0].1["token"].as_str().unwrap().to_owned();
    let poll = async |token: &str| {
        let path = "/v1/agents/edge-1/assignment";
        estate.request(Method::GET, path, token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(poll(&first).await, 200);

    // The same machine again: the node is taken over, the earlier credential ends.
    let second = estate.join("edge-1").await;
    assert_eq!((poll(&first).await, poll(&second.token).await), (401, 200));
    let (_, node) = estate.get("/v1/objects/node/estate/edge-1").await;
    assert_eq!(node["labels"]["cloud"], "aws", "labels stay");

    // Another machine under the name of a live one.
    estate.until("/v1/objects/node/estate/edge-1", |node| node["status"]["phase"] == "ready").await;
    let token = estate.token("join", "join", None).await;
    let other = json!({"name": "edge-1", "facts": facts("other"), "capacity": capacity()});
    let (status, problem) = estate.post_as(&token, "/v1/agents/join", other).await;
    assert_eq!(status, 409, "{problem}");
    let (status, _) = estate
        .post_as(&token, "/v1/agents/join", json!({"facts": facts("Web_2"), "capacity": capacity()}))
        .await;
    assert_eq!(status, 201, "a refused join does not use the token up");
    assert_eq!(estate.get("/v1/objects/node/estate/web-2").await.0, 200, "the name is made from the host's");
}

#[tokio::test]
async fn a_service_reaches_its_agent_and_its_state_comes_back() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    let empty = edge.poll(0, "0s").await;
    assert_eq!((&empty["generation"], empty.get("assignment")), (&json!(0), None));
    // A poll that waits is woken by the change.
    let (told, _) =
        tokio::join!(edge.poll_until(|replicas| replicas.len() == 2), estate.apply(service("shop", 2)));
    edge.obey(&told, "starting").await;
    estate.until("/service-status/shop", |report| *report == json!({"status": "starting"})).await;
    edge.obey(&told, "running").await;
    estate.until("/service-status/shop", |report| *report == json!({"status": "running"})).await;
    assert_eq!(estate.get("/service-status/none").await.0, 404);

    let (_, story) = estate.get("/v1/explain/service/shop").await;
    assert!(story["summary"].as_str().unwrap().starts_with("running, 2 of 2"), "{story:#}");
    assert!(story["replicas"][0]["placed_because"].as_str().unwrap().len() > 5, "{story:#}");
    assert!(story["replicas"][0]["plan"].is_string());

    // Killed and started again, without a check that would call it healthy.
    let event = |n: u8, act: &str, second: &str| {
        json!({
            "id": format!("01939b1c-6f0e-7b2a-9d3c-1f2e3d4c5b{n:02}"), "at": format!("2026-01-31T09:30:{second}Z"),
            "actor": "agent:edge-1", "act": act, "reason": format!("{act} it did"),
            "subject": {"kind": "service", "project": "default", "name": "shop", "replica": 0},
        })
    };
    let entries = json!({"entries": [event(1, "exit", "00.100"), event(2, "start", "00.280")]});
    assert_eq!(estate.post_as(&edge.token, &edge.path("events"), entries).await.0, 200);
    let (_, story) = estate.get("/v1/explain/service/shop").await;
    let summary = story["summary"].as_str().unwrap();
    assert!(
        summary.contains("on edge-1: exit it did; serving again after 180 ms, by agent:edge-1"),
        "{summary}"
    );

    // The same generation is not sent again; an older one is.
    let generation = told["generation"].as_u64().unwrap();
    assert!(edge.poll(generation, "0s").await.get("assignment").is_none());

    // Changing what runs bumps the generation; deleting takes it away.
    let delete = estate.request(Method::DELETE, "/v1/objects/service/default/shop", &estate.admin);
    assert_eq!(delete.send().await.unwrap().status(), 200);
    let gone = edge.poll_until(<[Value]>::is_empty).await;
    assert!(gone["generation"].as_u64().unwrap() > generation);
}

#[tokio::test]
async fn what_a_lost_node_ran_runs_elsewhere_and_not_twice() {
    let estate = Estate::new().await;
    let lost = estate.join("edge-1").await;
    estate.apply(service("shop", 1)).await;
    let told = lost.poll_until(|replicas| replicas.len() == 1).await;
    lost.obey(&told, "running").await;
    estate.until("/service-status/shop", |report| report["status"] == "running").await;

    let other = estate.join("edge-2").await;
    let keep_alive = async {
        loop {
            other.report(0, json!([])).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let moved = tokio::select! {
        moved = other.poll_until(|replicas| replicas.len() == 1) => moved,
        () = keep_alive => unreachable!(),
    };
    let (before, after) = (&told["assignment"]["replicas"][0], &moved["assignment"]["replicas"][0]);
    assert!(after["incarnation"].as_u64() > before["incarnation"].as_u64(), "a new fencing number");
    other.obey(&moved, "running").await;
    let (_, page) = estate.get("/v1/timeline?act=node_lost").await;
    assert_eq!(page["entries"][0]["subject"]["name"], "edge-1");

    // Back again: it is told to run nothing.
    lost.report(told["generation"].as_u64().unwrap(), json!([])).await;
    lost.poll_until(<[Value]>::is_empty).await;
    estate.until("/v1/timeline?act=node_return", |page| page["entries"][0]["node"] == "edge-1").await;
}

#[tokio::test]
async fn events_are_counted_once_and_speak_for_their_own_node() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    let entry = json!({
        "id": "01939b1c-6f0e-7b2a-9d3c-1f2e3d4c5b6a", "at": "2026-01-31T09:30:00Z", "actor": "token:admin", "act": "exit",
        "subject": {"kind": "service", "project": "default", "name": "shop", "replica": 0}, "node": "edge-9",
        "reason": "process 7 was killed by signal 9",
    });
    for expect in [json!({"accepted": 1, "known": 0}), json!({"accepted": 0, "known": 1})] {
        let (status, report) =
            estate.post_as(&edge.token, &edge.path("events"), json!({"entries": [entry]})).await;
        assert_eq!((status.as_u16(), report), (200, expect));
    }
    let (_, page) = estate.get("/v1/timeline?act=exit").await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&page["entries"][0]["actor"], &page["entries"][0]["node"]),
        (&json!("agent:edge-1"), &json!("edge-1"))
    );
    let many: Vec<_> = (0..1_001).map(|_| entry.clone()).collect();
    assert_eq!(estate.post_as(&edge.token, &edge.path("events"), json!({"entries": many})).await.0, 422);
}

#[tokio::test]
async fn logs_flow_from_agent_to_reader_and_end_with_either() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    estate.apply(service("shop", 1)).await;
    let told = edge.poll_until(|replicas| replicas.len() == 1).await;
    let upload = async {
        let generation = told["generation"].as_u64().unwrap();
        let asked = edge.poll(generation, "10s").await;
        let stream = &asked["streams"][0];
        assert_eq!((&stream["tail"], &stream["follow"]), (&json!(3), &json!(true)));
        let path = edge.path(&format!("streams/{}", stream["id"]));
        let request = estate.request(Method::POST, &path, &edge.token).body("one\ntwo\n");
        (path.clone(), request.send().await.unwrap().status().as_u16())
    };
    let read = async {
        let path = "/v1/logs/default/shop?tail=3&follow=true";
        estate.request(Method::GET, path, &estate.admin).send().await.unwrap().text().await.unwrap()
    };
    let ((path, uploaded), text) = tokio::join!(upload, read);
    assert_eq!((uploaded, text.as_str()), (204, "one\ntwo\n"));
    let again = estate.request(Method::POST, &path, &edge.token).body("x").send().await.unwrap();
    assert_eq!(again.status(), 404, "nobody reads any more");
    assert_eq!(estate.get("/v1/logs/default/none").await.0, 404);
}

#[tokio::test]
async fn a_restarted_server_knows_everything_and_grants_a_full_lease() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    estate.apply(service("shop", 1)).await;
    let told = edge.poll_until(|replicas| replicas.len() == 1).await;
    edge.obey(&told, "running").await;
    estate.until("/service-status/shop", |report| report["status"] == "running").await;
    let (admin, token) = (estate.admin.clone(), edge.token.clone());
    let Estate { server, folder, .. } = estate;
    server.shutdown().await;

    let estate = Estate::start(config(&folder), folder).await;
    assert_eq!(estate.admin, admin, "the first token stays");
    assert_eq!(estate.get("/service-status/shop").await.1, json!({"status": "running"}));
    let path = "/v1/agents/edge-1/assignment";
    let (status, body) = answer(estate.request(Method::GET, path, &token).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["generation"]), (200, &told["generation"]));
    assert_eq!(body["assignment"], told["assignment"]);
    let (_, page) = estate.get("/v1/timeline?act=node_lost").await;
    assert_eq!(page["entries"], json!([]));
}

#[tokio::test]
async fn stopping_answers_those_who_wait() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    let poll = estate.request(Method::GET, &edge.path("assignment?wait=60s"), &edge.token);
    let waiting = tokio::spawn(poll.send());
    let watching = estate.request(Method::GET, "/v1/watch", &estate.admin).send().await.unwrap();
    let Estate { server, .. } = &estate;
    let address = server.address();
    // The poll is under way once a fresh request is answered after it.
    estate.until("/v1/status", |status| status["version"].is_string()).await;
    let Estate { server, folder: _folder, .. } = estate;
    let began = std::time::Instant::now();
    server.shutdown().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "within drain and a few seconds");
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert!(watching.text().await.is_ok(), "the watch ended cleanly");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
