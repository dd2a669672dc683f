//! Who one is, where one can rent, what there is.

use std::time::Duration;

use lepton_model::{Bytes, Timestamp};

use super::{Trial, distinct, labels, word};
use crate::words::{
    CreateSecurityGroupInput, CreateVolumeInput, ImageFilter, InstanceFilter, InstanceId, Measure,
    MeasurementsInput, NetworkId, PoolId, SecurityGroupId, SnapshotId, Target, VolumeId,
};
use crate::{CloudError, ErrorKind, Operation, Power, every_page};

pub(super) async fn undeclared_operations_refuse(trial: &Trial) {
    let declared = trial.cloud.capabilities();
    for operation in Operation::ALL.iter().filter(|operation| !declared.contains(**operation)) {
        let error = ask(trial, *operation).await.expect_err(operation.as_str());
        assert_eq!(error.kind, ErrorKind::Unsupported(*operation), "{operation}: {error}");
    }
}

/// Asks for an operation that is not declared, so that what it is asked with does not matter.
async fn ask(trial: &Trial, operation: Operation) -> Result<(), CloudError> {
    let cloud = &*trial.cloud;
    let id = InstanceId::new("none");
    let volume = VolumeId::new("none");
    let group = SecurityGroupId::new("none");
    let pool = PoolId::new("none");
    let target = Target { instance: id.clone(), port: 80 };
    match operation {
        Operation::Identity => cloud.identity().await.map(drop),
        Operation::Regions => cloud.regions().await.map(drop),
        Operation::Zones => cloud.zones().await.map(drop),
        Operation::InstanceTypes => cloud.instance_types(None).await.map(drop),
        Operation::Prices => cloud.prices(&trial.types).await.map(drop),
        Operation::Quotas => cloud.quotas().await.map(drop),
        Operation::Instances => cloud.instances(&InstanceFilter::default(), None).await.map(drop),
        Operation::Launch => cloud.launch(&trial.wanted()).await.map(drop),
        Operation::Start => cloud.power(&id, Power::Start).await,
        Operation::Stop => cloud.power(&id, Power::Stop).await,
        Operation::Reboot => cloud.power(&id, Power::Reboot).await,
        Operation::Terminate => cloud.power(&id, Power::Terminate).await,
        Operation::Resize => cloud.resize(&id, &trial.types[1]).await,
        Operation::Tag => cloud.tag(&id, &labels(&[("a", "b")])).await,
        Operation::ConsoleOutput => cloud.console_output(&id).await.map(drop),
        Operation::Volumes => cloud.volumes(None).await.map(drop),
        Operation::CreateVolume => {
            let (name, zone, size) = ("none".to_owned(), trial.zone.clone(), Bytes::mebi(1 << 10));
            let input = CreateVolumeInput { name, zone, size, class: None, tags: labels(&[]) };
            cloud.create_volume(&input).await.map(drop)
        }
        Operation::AttachVolume => cloud.attach_volume(&volume, &id).await,
        Operation::DetachVolume => cloud.detach_volume(&volume, &id).await,
        Operation::DeleteVolume => cloud.delete_volume(&volume).await,
        Operation::Snapshots => cloud.snapshots(None).await.map(drop),
        Operation::CreateSnapshot => cloud.create_snapshot(&volume, "none").await.map(drop),
        Operation::DeleteSnapshot => cloud.delete_snapshot(&SnapshotId::new("none")).await,
        Operation::Images => cloud.images(&ImageFilter::default(), None).await.map(drop),
        Operation::Networks => cloud.networks().await.map(drop),
        Operation::Subnets => cloud.subnets().await.map(drop),
        Operation::SecurityGroups => cloud.security_groups().await.map(drop),
        Operation::CreateSecurityGroup => {
            let (name, network) = ("none".to_owned(), NetworkId::new("none"));
            let input = CreateSecurityGroupInput { name, network, rules: Vec::new() };
            cloud.create_security_group(&input).await.map(drop)
        }
        Operation::Allow => cloud.allow(&group, &[]).await,
        Operation::DeleteSecurityGroup => cloud.delete_security_group(&group).await,
        Operation::SetSecurityGroups => cloud.set_security_groups(&id, &[group]).await,
        Operation::Pools => cloud.pools().await.map(drop),
        Operation::Register => cloud.register(&pool, &target).await,
        Operation::Deregister => cloud.deregister(&pool, &target).await,
        Operation::Measurements => {
            let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(60_000));
            let (measure, step) = (Measure::CpuPercent, Duration::from_secs(60));
            cloud.measurements(&MeasurementsInput { instance: id, measure, from, to, step }).await.map(drop)
        }
    }
}

pub(super) async fn an_identity_has_an_account(trial: &Trial) {
    let identity = trial.cloud.identity().await.unwrap();
    assert!(!identity.account.is_empty() && !identity.principal.is_empty(), "{identity:?}");
}

pub(super) async fn a_stranger_is_unauthorized(trial: &Trial) {
    if let Some(stranger) = &trial.stranger {
        assert_eq!(word(&stranger.identity().await), "unauthorized");
        if stranger.capabilities().contains(Operation::Instances) {
            assert_eq!(word(&stranger.instances(&InstanceFilter::default(), None).await), "unauthorized");
        }
    }
}

pub(super) async fn this_region_is_among_the_regions(trial: &Trial) {
    let regions = distinct(trial.cloud.regions().await.unwrap().into_iter().map(|region| region.id));
    assert!(regions.contains(trial.cloud.region()), "{} is not in {regions:?}", trial.cloud.region());
}

pub(super) async fn machines_can_be_launched_in_a_zone(trial: &Trial) {
    let zones = trial.cloud.zones().await.unwrap();
    distinct(zones.iter().map(|zone| &zone.id));
    assert!(zones.iter().any(|zone| zone.id == trial.zone && zone.available), "{zones:?}");
}

pub(super) async fn types_have_cores_and_memory(trial: &Trial) {
    let types = every_page(|page| trial.cloud.instance_types(page)).await.unwrap();
    distinct(types.iter().map(|kind| &kind.name));
    let whole = types.iter().filter(|kind| kind.cpu.as_millis() > 0 && kind.memory.get() > 0);
    assert_eq!(whole.count(), types.len(), "every type has both");
    for wanted in &trial.types {
        assert!(types.iter().any(|kind| &kind.name == wanted), "{wanted} is missing");
    }
}

pub(super) async fn prices_are_of_what_was_asked(trial: &Trial) {
    let prices = trial.cloud.prices(&trial.types).await.unwrap();
    assert!(!prices.is_empty());
    for price in prices {
        assert!(trial.types.contains(&price.instance_type), "{price:?}");
        assert!(price.per_hour.amount.is_sign_positive() && !price.per_hour.amount.is_zero(), "{price:?}");
    }
}

pub(super) async fn quotas_have_limits(trial: &Trial) {
    let quotas = trial.cloud.quotas().await.unwrap();
    assert!(!quotas.is_empty());
    distinct(quotas.iter().map(|quota| &quota.name));
}

pub(super) async fn images_can_be_found(trial: &Trial) {
    let all = ImageFilter::default();
    let images = every_page(|page| trial.cloud.images(&all, page)).await.unwrap();
    distinct(images.iter().map(|image| &image.id));
    let image = images.iter().find(|image| image.id == trial.image).expect("the trial's image");
    let named = ImageFilter { name: Some(image.name.clone()) };
    let found = every_page(|page| trial.cloud.images(&named, page)).await.unwrap();
    assert!(found.contains(image), "{} finds {found:?}", image.name);
    assert!(found.iter().all(|other| other.name.contains(&image.name)), "{found:?}");
}
