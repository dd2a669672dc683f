//! Apply, list, delete, watch.

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer, service};

#[tokio::test]
async fn applying_says_what_it_did_and_puts_it_on_the_record() {
    let estate = Estate::new().await;
    let mut manifest = service("shop", 1);
    manifest["spec"]["env"] = json!({"API_TOKEN": "s3cret", "MODE": "fast"});
    let input = json!({"manifests": [manifest]});
    let (_, rehearsal) = estate.post("/v1/apply?dry_run=true", input.clone()).await;
    assert_eq!(
        (&rehearsal["dry_run"], &rehearsal["results"][0]["outcome"]),
        (&json!(true), &json!("created"))
    );
    assert_eq!(estate.get("/v1/objects/service/default/shop").await.0, 404, "a rehearsal writes nothing");

    let outcomes = ["created", "unchanged", "changed"];
    for (at, expect) in outcomes.into_iter().enumerate() {
        if at == 2 {
            manifest["spec"]["replicas"] = 2.into();
        }
        let report = estate.apply(manifest.clone()).await;
        assert_eq!(report["results"][0]["outcome"], expect);
    }
    let (_, page) = estate.get("/v1/timeline?kind=service&name=shop&act=apply").await;
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "unchanged is no news: {page}");
    assert_eq!(entries[1]["actor"], "token:admin");
    assert_eq!((&entries[1]["before"]["replicas"], &entries[1]["after"]["replicas"]), (&json!(1), &json!(2)));
    assert_eq!(entries[1]["after"]["env"], json!({"API_TOKEN": "••••", "MODE": "fast"}));
}

#[tokio::test]
async fn mistakes_name_their_field_and_nothing_is_half_applied() {
    let estate = Estate::new().await;
    let check = async |body: Value, status: u16, field: &str| {
        let (got, problem) = estate.post("/v1/apply", body).await;
        assert_eq!((got.as_u16(), problem["status"].as_u64()), (status, Some(status.into())), "{problem}");
        let fields: Vec<_> =
            problem["errors"].as_array().into_iter().flatten().map(|e| e["field"].clone()).collect();
        assert!(field.is_empty() || fields.contains(&json!(field)), "{field} in {problem}");
        assert!(problem["request_id"].is_string());
    };
    let bad = json!({"kind": "service", "name": "bad", "spec": {"command": [], "replicas": 1}});
    check(json!({"manifests": [service("good", 1), bad]}), 422, "manifests[1].spec.command").await;
    check(
        json!({"manifests": [{"kind": "service", "name": "x", "spec": {"command": ["a"], "nope": 1}}]}),
        422,
        "",
    )
    .await;
    check(json!({"manifests": [{"kind": "plan", "name": "x", "spec": {}}]}), 422, "manifests[0].kind").await;
    check(json!({"manifests": [service("a", 1), service("a", 2)]}), 422, "manifests[1]").await;
    check(json!({"manifests": [{"kind": "service", "name": "UPPER", "spec": {}}]}), 422, "manifests[0].name")
        .await;
    let stale = json!({"kind": "service", "name": "a", "revision": 999, "spec": {"command": ["x"]}});
    check(json!({"manifests": [stale]}), 409, "").await;
    let (_, list) = estate.get("/v1/objects/service").await;
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn yaml_documents_are_manifests() {
    let estate = Estate::new().await;
    let send = async |body: &'static str| {
        let request = estate.request(Method::POST, "/v1/apply", &estate.admin);
        answer(request.header("content-type", "application/yaml").body(body).send().await.unwrap()).await
    };
    let two = "kind: service\nname: a\nspec: {command: [x]}\n---\nkind: job\nname: b\nspec: {command: [y]}\n";
    let (status, report) = send(two).await;
    assert_eq!((status.as_u16(), report["results"].as_array().map(Vec::len)), (200, Some(2)), "{report}");
    let (status, problem) = send("kind: service\nname: a\nspec: {command: 7}\n").await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("manifests[0].spec.command")));
    assert_eq!((send("a: [").await.0.as_u16(), send("--- # nothing\n").await.0.as_u16()), (400, 422));
}

#[tokio::test]
async fn lists_are_paged_and_selected() {
    let estate = Estate::new().await;
    for n in 0..5 {
        let mut manifest = service(&format!("s{n}"), 0);
        manifest["labels"] = json!({"odd": (n % 2 == 1).to_string()});
        estate.apply(manifest).await;
    }
    let (_, first) = estate.get("/v1/objects/services?limit=3").await;
    let next = first["continue"].as_str().unwrap();
    let (_, second) = estate.get(&format!("/v1/objects/service?limit=3&continue={next}")).await;
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (3, 2));
    assert!(second.get("continue").is_none());
    let (_, odd) = estate.get("/v1/objects/service?labels=odd%3Dtrue").await;
    assert_eq!(odd["items"].as_array().unwrap().len(), 2);
    for (path, status) in [
        ("/v1/objects/nothing", 404),
        ("/v1/objects/service?limit=many", 422),
        ("/v1/objects/service?labels=(", 422),
        ("/v1/objects/service?typo=1", 422),
        ("/v1/objects/service/default/NOT%00A%ffNAME", 404),
        ("/v1/objects/service/default/none", 404),
        ("/nowhere", 404),
    ] {
        let (got, problem) = estate.get(path).await;
        assert_eq!(
            (got.as_u16(), problem["status"].as_u64()),
            (status, Some(status.into())),
            "{path}: {problem}"
        );
    }
}

#[tokio::test]
async fn deleting_takes_a_revision_and_leaves_a_trace() {
    let estate = Estate::new().await;
    estate.apply(service("shop", 0)).await;
    let delete = async |path: &str| {
        answer(estate.request(Method::DELETE, path, &estate.admin).send().await.unwrap()).await.0.as_u16()
    };
    assert_eq!(delete("/v1/objects/service/default/shop?revision=9999").await, 409);
    assert_eq!(delete("/v1/objects/service/default/shop").await, 200);
    assert_eq!(delete("/v1/objects/service/default/shop").await, 404);
    assert_eq!(delete("/v1/objects/plan/estate/x").await, 403);
    let (_, page) = estate.get("/v1/timeline?kind=service&name=shop&act=delete").await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_left() {
    let estate = Estate::new().await;
    estate.apply(service("first", 0)).await;
    // News of its status would be a change after this one.
    let settled = |first: &Value| first["status"]["phase"] == "stopped";
    let first = estate.until("/v1/objects/service/default/first", settled).await;
    let from = first["revision"].as_u64().unwrap();
    estate.apply(service("second", 0)).await;
    let path = format!("/v1/watch?kind=service&from={from}");
    let response = estate.request(Method::GET, &path, &estate.admin).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("\n\n") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    assert!(text.starts_with("event: put"), "{text}");
    assert!(text.contains("\"second\"") && !text.contains("\"first\""), "{text}");
    let id: u64 = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().parse().unwrap();
    assert!(id > from);
    estate.apply(service("third", 0)).await;
    while !text.contains("\"third\"") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
}
