//! Bodies, rates, heads, methods: every limit answers with its own status and a problem.

use lepton_model::{Bytes, Period};
use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer};

#[tokio::test]
async fn every_refusal_is_a_problem_with_the_requests_id() {
    let estate = Estate::with(|config| config.limits.body = Bytes::new(4_096)).await;
    let huge = format!("{{\"query\": \"{}\"}}", "x".repeat(5_000));
    let rows: [(Method, &str, &str, &str, u16); 9] = [
        (Method::POST, "/v1/sql", "application/json", "{", 400),
        (Method::POST, "/v1/sql", "application/json", "{} {}", 422),
        (Method::POST, "/v1/sql", "application/json", "{\"query\": \"SELECT 1\"} x", 400),
        (Method::POST, "/v1/sql", "text/plain", "SELECT 1", 415),
        (Method::POST, "/v1/sql", "application/json", &huge, 413),
        (Method::POST, "/v1/sql", "application/json", "{\"query\": \"DROP TABLE nodes\"}", 422),
        (Method::DELETE, "/v1/sql", "application/json", "", 405),
        (Method::GET, "/v1/%00%ff/x", "application/json", "", 404),
        (Method::GET, "/v1/timeline?limit=99999999999999999999", "application/json", "", 422),
    ];
    for (method, path, kind, body, expect) in rows {
        let request = estate.request(method.clone(), path, &estate.admin);
        let request =
            request.header("content-type", kind).header("x-request-id", "my-id").body(body.to_owned());
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        let (status, problem) = answer(response).await;
        assert_eq!(status.as_u16(), expect, "{method} {path}: {problem}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            (&problem["request_id"], headers["x-request-id"].to_str().unwrap()),
            (&json!("my-id"), "my-id")
        );
        assert_eq!(problem["status"], expect);
    }
    let long = "x".repeat(100_000);
    let request = estate.request(Method::GET, "/healthz", "").header("x-long", long);
    assert_eq!(request.send().await.unwrap().status(), 431);
}

#[tokio::test]
async fn a_token_that_changes_too_much_is_slowed() {
    let estate = Estate::with(|config| config.limits.changes_per_second = 1).await;
    let mut refused = None;
    for _ in 0..10 {
        let request =
            estate.request(Method::POST, "/v1/apply", &estate.admin).json(&json!({"manifests": []}));
        let response = request.send().await.unwrap();
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
        assert_eq!(response.status(), 200);
    }
    let refused = refused.expect("ten changes at once are more than four seconds' worth");
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(estate.get("/v1/status").await.0, 200, "reading is free");
}

#[tokio::test]
async fn a_port_that_others_reach_needs_tls_or_a_word() {
    let check = |change: fn(&mut lepton_control::ServerConfig), field: &str| {
        let mut config = lepton_control::ServerConfig::default();
        change(&mut config);
        let errors = config.validate().unwrap_err();
        assert!(errors.iter().any(|error| error.field == field), "{field}: {errors}");
    };
    check(|config| config.listen = "0.0.0.0:7700".parse().unwrap(), "listen");
    check(|config| config.lease = Period::from_millis(1), "lease");
    check(|config| config.limits.body = Bytes::new(1), "limits.body");
    check(|config| config.history.plans = 0, "history.plans");
    let open = lepton_control::ServerConfig {
        listen: "0.0.0.0:7700".parse().unwrap(),
        insecure: true,
        ..Default::default()
    };
    assert!(open.validate().is_ok());
}

#[tokio::test]
async fn tls_is_spoken_where_there_is_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = crate::estate::config(&folder);
    config.tls = Some(lepton_control::TlsConfig { certificate, key });
    let estate = Estate::start(config, folder).await;
    let authority = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let url = format!("https://localhost:{}/healthz", estate.server.address().port());
    let response = http.get(url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let estate = Estate::new().await;
    let status = estate
        .until("/v1/status", |status| {
            status["reconcilers"]
                .as_array()
                .is_some_and(|all| all.iter().all(|one: &Value| one["state"] == "ok"))
        })
        .await;
    let names: Vec<_> =
        status["reconcilers"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert!(names.contains(&json!("placement_plan")), "{names:?}");
    let text = estate.request(Method::GET, "/metrics", "").send().await.unwrap().text().await.unwrap();
    assert!(
        text.contains("lepton_http_requests_total{method=\"GET\",route=\"/v1/status\",status=\"200\"}"),
        "{text}"
    );
    assert!(text.contains("lepton_reconciler_runs_total{reconciler=\"placement_plan\"}"));
    let page = estate.request(Method::GET, "/", "").header("accept-language", "zh-CN").send().await.unwrap();
    assert!(page.text().await.unwrap().contains("lang=\"zh-CN\""));
    let (_, rows) =
        estate.post("/v1/sql", json!({"query": "SELECT name FROM reconcilers ORDER BY name"})).await;
    assert_eq!(rows["rows"][0][0], "assignment_execute");
    let (status, backup) = estate.post("/v1/backup", json!({})).await;
    assert_eq!(status, 201, "{backup}");
    let folder = std::path::PathBuf::from(backup["path"].as_str().unwrap());
    for file in ["MANIFEST.json", "lepton.db", "lake/checksums.sha256"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}
