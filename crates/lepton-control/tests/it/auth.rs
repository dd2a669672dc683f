//! Who may do what, as tables.

use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer, service};

/// Method, path, body; then the status for: nobody, viewer, operator, admin, agent of another node, join token.
type Row = (&'static str, &'static str, Option<Value>, [u16; 6]);

#[tokio::test]
async fn every_role_may_do_what_it_should_and_no_more() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    estate.apply(service("shop", 0)).await;
    let tokens = [
        String::new(),
        estate.token("v", "viewer", None).await,
        estate.token("o", "operator", None).await,
        estate.token("a", "admin", None).await,
        edge.token.clone(),
        estate.token("j", "join", None).await,
    ];
    let apply = |kind: &str| json!({"manifests": [{"kind": kind, "name": "x", "spec": {"command": ["x"]}}]});
    let cordon = json!({"manifests": [{"kind": "node", "name": "edge-1", "spec": {"cordoned": true}}]});
    let usage = json!({"cpu_usage": 1, "memory_usage": 2, "disk_usage": 3, "network_usage": 4});
    let token = json!({"name": "t", "role": "viewer"});
    let rows: Vec<Row> = vec![
        ("GET", "/", None, [200; 6]),
        ("GET", "/healthz", None, [200; 6]),
        ("GET", "/readyz", None, [200; 6]),
        ("GET", "/metrics", None, [200; 6]),
        ("GET", "/openapi.json", None, [200; 6]),
        ("GET", "/v1/objects/service", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/objects/node/estate/edge-1", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/objects/token", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/timeline", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/explain/service/shop", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/status", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/v1/reconcilers", None, [401, 200, 200, 200, 403, 403]),
        ("GET", "/service-status/shop", None, [401, 200, 200, 200, 200, 403]),
        ("POST", "/v1/sql", Some(json!({"query": "SELECT 1"})), [401, 200, 200, 200, 403, 403]),
        ("POST", "/v1/apply", Some(apply("service")), [401, 403, 200, 200, 403, 403]),
        ("POST", "/v1/plan", Some(apply("service")), [401, 403, 200, 200, 403, 403]),
        ("POST", "/v1/apply", Some(cordon), [401, 403, 403, 200, 403, 403]),
        ("GET", "/v1/tokens", None, [401, 403, 403, 200, 403, 403]),
        ("POST", "/v1/tokens", Some(token), [401, 403, 403, 201, 403, 403]),
        ("POST", "/v1/backup", None, [401, 403, 403, 201, 403, 403]),
        ("POST", "/usage", Some(usage), [401, 403, 200, 200, 200, 403]),
        ("GET", "/v1/agents/edge-1/assignment", None, [401, 403, 403, 403, 200, 403]),
        ("GET", "/v1/agents/edge-2/assignment", None, [401, 403, 403, 403, 403, 403]),
        ("POST", "/v1/agents/edge-1/events", Some(json!({"entries": []})), [401, 403, 403, 403, 200, 403]),
    ];
    for (method, path, body, expect) in rows {
        for (token, expect) in tokens.iter().zip(expect) {
            let mut request = estate.request(method.parse().unwrap(), path, token);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let challenged = response.headers().contains_key("www-authenticate");
            assert_eq!(challenged, status == 401);
            let (_, text) = answer(response).await;
            assert_eq!(status, expect, "{method} {path} with {token:.8}: {text}");
        }
    }
}

#[tokio::test]
async fn tokens_end() {
    let estate = Estate::new().await;
    let status = async |token: &str| {
        estate.request(Method::GET, "/v1/status", token).send().await.unwrap().status().as_u16()
    };
    for wrong in ["lpt_wrong", "", "é"] {
        let request = estate.http.get(format!("{}/v1/status", estate.server.url()));
        let header = reqwest::header::HeaderValue::from_bytes(format!("Bearer {wrong}").as_bytes()).unwrap();
        assert_eq!(request.header("authorization", header).send().await.unwrap().status(), 401);
    }
    let (_, made) = estate.post("/v1/tokens", json!({"name": "ci", "role": "viewer"})).await;
    let (secret, id) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(status(secret).await, 200);
    let revoked =
        estate.request(Method::DELETE, &format!("/v1/tokens/{id}"), &estate.admin).send().await.unwrap();
    assert_eq!((revoked.status().as_u16(), status(secret).await), (204, 401));
    // Neither list nor store gives a secret or a hash away.
    let (_, list) = estate.get("/v1/tokens").await;
    let (_, objects) = estate.get("/v1/objects/token").await;
    for text in [list.to_string(), objects.to_string()] {
        assert!(text.contains(id) && !text.contains("hash") && !text.contains("lpt_"), "{text}");
    }
    for input in [
        json!({"name": "x", "role": "agent"}),
        json!({"name": "x", "role": "viewer", "expires_in": "1s"}),
        json!({"name": "x", "role": "viewer", "expires_in": "forever"}),
        json!({"name": "x", "role": "king"}),
    ] {
        assert_eq!(estate.post("/v1/tokens", input.clone()).await.0, 422, "{input}");
    }
}

#[tokio::test]
async fn another_projects_things_do_not_exist() {
    let estate = Estate::new().await;
    let _edge = estate.join("edge-1").await;
    for project in ["red", "blue"] {
        let mut manifest = service("shop", 1);
        manifest["project"] = project.into();
        estate.apply(manifest).await;
    }
    estate.until("/v1/objects/service/blue/shop", |shop| shop["status"]["placed"] == 1).await;
    let red = estate.token("red", "operator", Some("red")).await;
    let rows: [(&str, &str, u16); 14] = [
        ("GET", "/v1/objects/service/red/shop", 200),
        ("GET", "/v1/objects/service/blue/shop", 404),
        ("GET", "/v1/objects/node/estate/edge-1", 404),
        ("GET", "/v1/objects/assignment/estate/edge-1", 404),
        ("GET", "/v1/explain/service/shop", 200),
        ("GET", "/v1/explain/service/shop?project=blue", 404),
        ("GET", "/v1/explain/node/edge-1", 404),
        ("GET", "/v1/logs/blue/shop", 404),
        ("GET", "/service-status/shop", 200),
        ("GET", "/service-status/blue.shop", 404),
        ("DELETE", "/v1/objects/service/blue/shop", 404),
        ("DELETE", "/v1/objects/node/estate/edge-1", 403),
        ("POST", "/v1/backup", 403),
        ("GET", "/v1/tokens", 403),
    ];
    for (method, path, expect) in rows {
        let response = estate.request(method.parse().unwrap(), path, &red).send().await.unwrap();
        let (status, body) = answer(response).await;
        assert_eq!(status.as_u16(), expect, "{method} {path}: {body}");
        assert!(expect != 200 || !body.to_string().contains("blue"), "{path}: {body}");
    }
    for path in [
        "/v1/objects/service",
        "/v1/objects/service?project=blue",
        "/v1/objects/node",
        "/v1/objects/plan",
        "/v1/objects/assignment",
        "/v1/objects/token",
        "/v1/objects/incident",
        "/v1/timeline",
        "/v1/timeline?project=blue",
        "/v1/timeline?kind=service&project=blue&name=shop",
        "/v1/timeline?node=edge-1",
    ] {
        let (status, body) = answer(estate.request(Method::GET, path, &red).send().await.unwrap()).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.to_string().contains("blue"), "{path}: {body}");
    }
    let (_, rows) = estate.post_as(&red, "/v1/sql", json!({"query": "SELECT project FROM services"})).await;
    assert_eq!(rows["rows"], json!([["red"]]));
    let theirs = json!({"manifests": [{"kind": "service", "project": "blue", "name": "x", "spec": {"command": ["x"]}}]});
    assert_eq!(estate.post_as(&red, "/v1/apply", theirs.clone()).await.0, 403);
    let mine = json!({"manifests": [{"kind": "service", "project": "red", "name": "x", "spec": {"command": ["x"]}}]});
    let (_, plan) = estate.post_as(&red, "/v1/plan", mine).await;
    assert!(!plan.to_string().contains("blue"), "{plan}");
}
