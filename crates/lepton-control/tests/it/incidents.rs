//! Incidents open, are told, are taken in hand, and close.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use lepton_model::Period;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::estate::{Estate, service};

type Told = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A receiver that refuses its first call.
async fn receiver() -> (String, Told) {
    let told = Told::default();
    let take = |State(told): State<Told>, headers: HeaderMap, body: axum::Json<Value>| async move {
        let mut told = told.lock();
        told.push((headers, body.0));
        if told.len() == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
    };
    let router = axum::Router::new().route("/hook", post(take)).with_state(told.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async { axum_serve(listener, router).await });
    (url, told)
}

async fn axum_serve(listener: tokio::net::TcpListener, router: axum::Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

#[tokio::test]
async fn a_crash_loop_opens_one_incident_tells_the_webhook_and_closes() {
    // Nothing is heard of the node while the webhook is waited for; it must not be lost for that.
    let estate = Estate::with(|config| config.lease = Period::from_secs(60)).await;
    let (url, told) = receiver().await;
    let secrets = estate.folder.path().join("secrets");
    std::fs::write(secrets.join("hook.key"), "k\n").unwrap();
    let spec = json!({"url": url, "secret_file": "hook.key"});
    estate.apply(json!({"kind": "webhook", "name": "pager", "spec": spec})).await;
    let edge = estate.join("edge-1").await;
    estate.apply(service("shop", 1)).await;
    let assignment = edge.poll_until(|replicas| replicas.len() == 1).await;
    edge.obey(&assignment, "crash_looping").await;
    let list = "/v1/objects/incident?project=default";
    let open = estate.until(list, |list| !list["items"][0].is_null()).await;
    assert_eq!(open["items"][0]["spec"]["cause"], "crash_loop");
    let name = open["items"][0]["name"].as_str().unwrap();

    let path = format!("/v1/incidents/default/{name}/acknowledge");
    let (status, incident) = estate.post(&path, json!({"note": "on it"})).await;
    assert_eq!((status.as_u16(), &incident["status"]["by"]), (200, &json!("token:admin")));
    assert_eq!(estate.post(&path, json!({})).await.0, 409, "already in hand");

    // The first call failed; the second, under the same id, did not. The end is told too.
    estate.until(list, |list| list["items"][0]["status"]["notified"] == json!(["pager"])).await;
    edge.obey(&assignment, "running").await;
    let over =
        estate.until(list, |list| list["items"][0]["status"]["notified_resolved"] == json!(["pager"])).await;
    assert_eq!(over["items"].as_array().unwrap().len(), 1, "one incident per cause");
    assert_eq!(
        (&over["items"][0]["status"]["phase"], &over["items"][0]["status"]["by"]),
        (&json!("resolved"), &json!("lepton"))
    );
    let told = told.lock();
    let events: Vec<_> = told.iter().map(|(_, body)| body["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["incident_opened", "incident_opened", "incident_resolved"]);
    assert_eq!(told[0].0["idempotency-key"], told[1].0["idempotency-key"]);
    assert!(told[0].0["x-lepton-signature"].to_str().unwrap().starts_with("sha256="));
}

#[tokio::test]
async fn what_fits_nowhere_says_so() {
    let estate = Estate::new().await;
    let _edge = estate.join("edge-1").await;
    let spec = json!({"command": ["x"], "resources": {"cpu": "64"}});
    estate.apply(json!({"kind": "service", "name": "huge", "spec": spec})).await;
    let story = estate
        .until("/v1/explain/service/huge", |story| {
            story["problems"][0].as_str().is_some_and(|why| why.contains("cpu"))
        })
        .await;
    assert!(story["summary"].as_str().unwrap().starts_with("pending, 0 of 1"), "{story:#}");
    let input = json!({"manifests": [service("small", 1)]});
    let (status, plan) = estate.post("/v1/plan", input).await;
    assert_eq!((status.as_u16(), plan["actions"].as_array().map(Vec::len)), (200, Some(1)), "{plan:#}");
    assert_eq!(estate.get("/v1/objects/service/default/small").await.0, 404, "a preview writes nothing");
}
