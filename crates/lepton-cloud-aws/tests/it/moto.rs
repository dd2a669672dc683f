//! The suite, and what only an oracle that checks permissions can show.

use std::sync::Arc;
use std::time::Duration;

use lepton_cloud::conformance::{self, Trial};
use lepton_cloud::words::InstanceTypeName;
use lepton_cloud::{Cloud, Credentials, ErrorKind, GuardConfig, Guarded};
use lepton_model::Name;

use crate::connect;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/oracles/moto.sh"))
}

fn key(name: &str) -> Credentials {
    Credentials::new(
        variable(&format!("LEPTON_MOTO_{name}_KEY")),
        variable(&format!("LEPTON_MOTO_{name}_SECRET")),
    )
}

fn cloud(credentials: Credentials) -> Arc<dyn Cloud> {
    let cloud = connect(&variable("LEPTON_MOTO"), credentials);
    Arc::new(Guarded::new(Arc::new(cloud), GuardConfig::default(), Arc::default()))
}

#[tokio::test]
#[ignore = "needs moto: tests/oracles/moto.sh"]
async fn conforms() {
    let cloud = cloud(key("OWNER"));
    let subnet = cloud.subnets().await.unwrap().into_iter().next().expect("moto's default subnets");
    let images = cloud.images(&Default::default(), None).await.unwrap();
    let trial = Trial {
        stranger: Some(self::cloud(Credentials {
            secret: lepton_cloud::Secret::new("wrong"),
            ..key("OWNER")
        })),
        cloud,
        estate: Name::new("suite").unwrap(),
        zone: subnet.zone.unwrap(),
        subnet: subnet.id,
        image: images.items.into_iter().next().expect("moto's images").id,
        types: ["t3.small", "t3.medium"].map(InstanceTypeName::new),
        checks_references: false,
        patience: Duration::from_secs(120),
    };
    let report = conformance::run(&trial).await;
    let skipped = [
        "account::prices_are_of_what_was_asked",
        "account::quotas_have_limits",
        "machines::measurements_are_in_order",
    ];
    assert_eq!(report.skipped, skipped, "what AWS's adapter does not declare");
}

#[tokio::test]
#[ignore = "needs moto: tests/oracles/moto.sh"]
async fn a_missing_permission_is_forbidden() {
    let reader = cloud(key("READER"));
    reader.zones().await.expect("the reader may look");
    let error = conformance::ask(&*reader, lepton_cloud::Operation::Terminate).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
    assert!(error.message.contains("TerminateInstances"), "it says what is missing: {error}");
}
