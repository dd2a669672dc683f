//! The committed description of the API is that of the routes.

use std::path::Path;

#[test]
fn openapi_is_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/lepton.json");
    let text = lepton_control::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("LEPTON_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "openapi/lepton.json is not what the routes say; run: cargo xtask openapi");
}

#[test]
fn every_operation_is_described() {
    let api = serde_json::to_value(lepton_control::openapi()).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = api["paths"].as_object().unwrap();
    assert!(paths.len() >= 30, "{} paths", paths.len());
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{at}");
            let about = [&operation["summary"], &operation["description"]];
            assert!(
                about.iter().any(|text| text.as_str().is_some_and(|text| !text.is_empty())),
                "{at} has no words"
            );
            let public = operation["security"].is_array();
            assert_eq!(operation["responses"]["401"].is_null(), public, "{at}");
        }
    }
}
