//! A server with a certificate of a company's own authority.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use lepton_e2e::{Process, binary, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

/// An authority in `ca.pem`, and a certificate of its for 127.0.0.1 in `tls.pem` and `tls.key`.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(authority, authority_key))
        .unwrap();
    for (name, pem) in [
        ("ca.pem", authority_certificate.pem()),
        ("tls.pem", certificate.pem()),
        ("tls.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), pem).unwrap();
    }
}

fn lepton(folder: &Path, port: u16, args: &[&str]) -> Output {
    Command::new(binary("lepton").unwrap())
        .args(["--server", &format!("https://127.0.0.1:{port}")])
        .args(args)
        .env("LEPTON_TOKEN_FILE", folder.join("data/admin.token"))
        .env("HOME", folder)
        .output()
        .unwrap()
}

#[test]
fn server_agent_and_command_line_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    certificates(folder.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
        at("tls.pem"),
        at("tls.key")
    );
    std::fs::write(at("server.toml"), config).unwrap();
    let mut command = Command::new(binary("lepton").unwrap());
    command.args(["server", "--config"]).arg(at("server.toml")).arg("--data").arg(at("data"));
    let server = Process::start(&mut command, &at("server.log")).unwrap();

    let ca = at("ca.pem").to_string_lossy().into_owned();
    let trusting = |args: &[&str]| lepton(folder.path(), port, &[&["--ca-file", &*ca], args].concat());
    until("the server to answer", || Ok(trusting(&["status"]).status.success()))
        .unwrap_or_else(|error| panic!("{error}: {}", server.tail()));

    let refused = lepton(folder.path(), port, &["status"]);
    assert!(!refused.status.success(), "an unknown authority was trusted");
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("certificate"), "{said}");

    let join_token = || {
        let path = at("edge.token").to_string_lossy().into_owned();
        let _ = std::fs::remove_file(&path);
        let made = trusting(&["token", "create", "edge", "--role", "join", "--save", &path]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        path
    };
    let start_agent = |token: &str| {
        let mut command = Command::new(binary("lepton-agent").unwrap());
        command
            .args(["--server", &format!("https://127.0.0.1:{port}"), "--name", "edge-1", "--ca-file", &ca])
            .args(["--join-token-file", token, "--state-dir"])
            .arg(at("agent"));
        Process::start(&mut command, &at("agent.log")).unwrap()
    };
    let samples = || {
        let query = "SELECT count(*) FROM samples WHERE node = 'edge-1' AND metric = 'node_load1'";
        let answer = trusting(&["sql", "-o", "json", query]);
        let rows: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        rows["rows"][0][0].as_u64().unwrap_or_default()
    };
    let mut agent = start_agent(&join_token());
    until("measurements over TLS", || Ok(samples() > 0))
        .unwrap_or_else(|error| panic!("{error}: {}", agent.tail()));

    // Its credential is revoked: with a new token to join with it is the same node again.
    agent.kill();
    let tokens: Value = serde_json::from_slice(&trusting(&["token", "list", "-o", "json"]).stdout).unwrap();
    let of_agent = tokens.as_array().unwrap().iter().find(|token| token["node"] == "edge-1").unwrap();
    let revoked = trusting(&["token", "revoke", of_agent["id"].as_str().unwrap()]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let before = samples();
    let agent = start_agent(&join_token());
    until("measurements after joining anew", || Ok(samples() > before))
        .unwrap_or_else(|error| panic!("{error}: {}", agent.tail()));
}
