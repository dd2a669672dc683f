//! The suite, on a cloud that works and on one that barely does.

use std::sync::Arc;
use std::time::Duration;

use lepton_cloud::conformance::{self, Trial};
use lepton_cloud::words::{ImageId, InstanceTypeName, SubnetId, ZoneId};
use lepton_cloud::{Cloud, GuardConfig, Guarded};
use lepton_cloud_sim::{Faults, SimCloud, SimConfig, SimWorld};
use lepton_model::Name;

fn trial(world: &SimWorld, guard: fn(SimCloud) -> Arc<dyn Cloud>) -> Trial {
    Trial {
        cloud: guard(world.connect("west").unwrap()),
        stranger: Some(guard(world.connect_as_stranger("west").unwrap())),
        estate: Name::new("suite").unwrap(),
        zone: ZoneId::new("west-b"),
        subnet: SubnetId::new("subnet-west-b"),
        image: ImageId::new("img-debian-13"),
        types: ["general.small", "compute.large"].map(InstanceTypeName::new),
        checks_references: true,
        patience: Duration::from_secs(600),
    }
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    let world = SimWorld::new(SimConfig::default());
    let report = conformance::run(&trial(&world, |cloud| Arc::new(cloud))).await;
    assert_eq!(report.skipped, [""; 0]);
}

/// Every fault that does not need its caller's judgement is the guard's to bear: the suite sees none of them.
#[tokio::test(start_paused = true)]
async fn conforms_through_faults_when_guarded() {
    let faults =
        Faults { transient: 0.05, torn_page: 0.05, calls_per_second: Some(20.0), ..Faults::default() };
    let world = SimWorld::new(SimConfig { faults, ..SimConfig::default() });
    let guard = |cloud| -> Arc<dyn Cloud> {
        Arc::new(Guarded::new(Arc::new(cloud), GuardConfig::default(), Arc::default()))
    };
    let report = conformance::run(&trial(&world, guard)).await;
    assert_eq!(report.skipped, [""; 0]);
}
