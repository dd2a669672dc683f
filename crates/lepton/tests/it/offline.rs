//! What needs no server: mistakes, and the contexts file. Exit code, stdout and stderr are all part of the promise.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;

use super::program::Place;

#[test]
fn mistakes_name_the_field_the_line_and_the_fix() {
    let place = Place::new();
    place.write(
        "shop.yaml",
        "# a comment\nkind: runbook\nname: mend\nspec:\n  act: {command: [true]}\n---\nkind: service\nname: shop\nlabels:\n  \
         team.example/x: y\nspec:\n  command: [shop]\n  replicas: 99999\n  checks:\n    - name: web\n      probe:\n        \
         http: {port: http}\n      interval: 1ms\n",
    );
    place.write("kubernetes.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n");
    place.write("torn.yaml", "kind: service\n  name: x\n");
    place.write("alias.yaml", "a: &a [x, x]\nb: [*a, *a]\n");
    place.write("misspelt.yaml", "kind: service\nname: shop\nspec:\n  comand: [shop]\n");
    place.write("empty.yaml", "# nothing here\n");
    let server = [("LEPTON_SERVER", "http://127.0.0.1:1")];
    let mut text = String::new();
    for args in [
        &["apply", "-f", "shop.yaml"][..],
        &["apply", "-f", "kubernetes.yaml"],
        &["apply", "-f", "torn.yaml"],
        &["apply", "-f", "alias.yaml"],
        &["apply", "-f", "misspelt.yaml"],
        &["apply", "-f", "empty.yaml"],
        &["apply", "-f", "absent.yaml"],
        &["get", "pods"],
        &["get", "service/Shop"],
        &["describe", "shop"],
        &["sql", ".drop"],
        &["events", "--act", "explode"],
        &["logs", "node/a"],
        &["apply"],
        &["fly"],
        &["status"],
        &["status", "--server", "127.0.0.1:7700"],
        &["status", "--server", "http://10.0.0.1:7700", "--token-file", "shop.yaml"],
        &["restore", "absent", "--check"],
    ] {
        let ended = place.run_with(args, &server);
        text.push_str(&format!("$ lepton {}\n{}\n", args.join(" "), ended.text()));
    }
    text.push_str(&format!("$ lepton status, knowing no server\n{}\n", place.run(&["status"]).text()));
    insta::assert_snapshot!(text);
}

#[test]
fn contexts_are_kept_privately_and_tokens_never_shown() {
    let place = Place::new();
    place.write("prod.token", "lpt_secret\n");
    place.write("test.token", "lpt_stored\n");
    let add = ["context", "add", "prod", "--url", "https://prod.example", "--with-token-file", "prod.token"];
    place.run(&add).ok();
    let add = ["context", "add", "test", "--url", "https://test.example", "-p", "shop"];
    place.run(&[&add[..], &["--with-token-file", "test.token", "--store-token"]].concat()).ok();
    let listed = place.run(&["context", "list"]).ok();
    assert!(listed.contains("*  prod  https://prod.example"), "{listed}");
    assert!(listed.contains("   test  https://test.example  shop     (kept in the file)"), "{listed}");
    let yaml = place.run(&["context", "list", "-o", "yaml"]).ok();
    assert!(!yaml.contains("lpt_"), "{yaml}");
    let file = place.path(".config/lepton/config.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("lpt_secret") && text.contains("lpt_stored"), "{text}");
    place.run(&["context", "use", "test"]).ok();
    place.run(&["context", "remove", "prod"]).ok();
    assert_eq!(place.run(&["context", "use", "prod"]).code, 2);
    let refused =
        place.run(&["context", "add", "bad", "--url", "http://10.0.0.1", "--with-token-file", "test.token"]);
    assert_eq!(refused.code, 2, "{}", refused.text());
    std::fs::write(&file, "current = 3\n").unwrap();
    let broken = place.run(&["context", "list"]);
    assert_eq!(broken.code, 4, "{}", broken.text());
}

#[test]
fn configuration_of_a_server_is_checked_before_a_port_is_bound() {
    let place = Place::new();
    let check = |args: &[&str], code: i32, part: &str| {
        let ended = place.run(&[&["server"], args].concat());
        assert_eq!(ended.code, code, "{}", ended.text());
        assert!(format!("{}{}", ended.out, ended.err).contains(part), "{}", ended.text());
    };
    place.write("server.toml", "lease = '20s'\n[limits]\nsql_rows = 5\n");
    place.write("wrong.toml", "lease = '1ms'\n[history]\nplans = 0\n");
    place.write("misspelt.toml", "lese = '1s'\n");
    check(&["--print-config", "--config", "server.toml"], 0, "lease = \"20s\"");
    check(&["--print-config", "--listen", "127.0.0.1:9"], 0, "listen = \"127.0.0.1:9\"");
    check(&["--config", "wrong.toml"], 4, "configuration: lease: must be between");
    check(&["--config", "wrong.toml"], 4, "configuration: history.plans");
    check(&["--config", "misspelt.toml"], 4, "lese");
    check(&["--listen", "0.0.0.0:0"], 4, "there is no TLS");
    check(&["--listen", "nowhere"], 2, "invalid");
    assert!(!place.path(".lepton").exists(), "a refused server leaves nothing behind");
}

/// A ready node with 2 cores, as `lepton plan --save-estate` writes it.
fn node(name: &str) -> String {
    format!(
        "- {{kind: node, project: estate, name: {name}, uid: 01939b1c-6f0e-7b2a-9d3c-1f2e3d4c5b6a, labels: {{zone: z-{name}}},
   generation: 1, revision: 1, created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z', spec: {{}},
   status: {{phase: ready, capacity: {{cpu: '2', memory: 4Gi}}}}}}\n"
    )
}

#[test]
fn an_estate_in_a_file_is_planned_without_a_server() {
    let place = Place::new();
    let prices =
        "prices: {a: {hour: '2', rented: true, source: test}, b: {hour: '1', rented: true, source: test}}\n";
    place.write(
        "estate.yaml",
        &format!("revision: 1\ncurrency: USD\n{prices}objects:\n{}{}", node("a"), node("b")),
    );
    place.write("web.yaml", "kind: service\nname: web\nspec: {command: [x], resources: {cpu: 1500m}}\n");
    let plan =
        |more: &[&str]| place.run(&[&["plan", "--estate", "estate.yaml", "-f", "web.yaml"], more].concat());
    let cheap = plan(&["--strategy", "cost"]);
    assert_eq!(cheap.code, 0, "{}", cheap.text());
    assert!(cheap.out.contains("default/web-0  b"), "the cheaper node: {}", cheap.text());
    assert!(cheap.out.contains("second best: a: costs"), "{}", cheap.text());
    assert!(
        cheap.out.contains("rented nodes in use cost 0 USD an hour now, 1 after (+1; +730 a month)"),
        "{}",
        cheap.out
    );
    let lost = plan(&["--strategy", "cost", "--what-if", "lose-zone=z-b"]);
    assert!(lost.out.contains("default/web-0  a"), "{}", lost.text());
    let none = plan(&["--what-if", "lose-zone=z-b", "--what-if", "lose-node=a"]);
    assert_eq!(none.code, 9, "{}", none.text());
    let check = |more: &[&str], code: i32, says: &str| {
        let refused = plan(more);
        assert!(refused.code == code && refused.err.contains(says), "{more:?}: {}", refused.text());
    };
    check(&["--what-if", "lose-zone=mars"], 4, "there are z-a, z-b");
    check(&["--what-if", "explode"], 2, "is no supposition");
    check(&["--strategy", "cheap"], 2, "is not a strategy");
    place.write("estate.yaml", "objects: 7\n");
    check(&[], 4, "estate.yaml");
}
