//! Every operation once, with inputs that are hard to write down right: for requests that nobody carries out.

use std::time::Duration;

use lepton_model::{Bytes, Market, Name, Timestamp};

use super::labels;
use super::wiretap::Wiretap;
use crate::words::{
    CreateSecurityGroupInput, CreateVolumeInput, Direction, ImageFilter, ImageId, InstanceFilter, InstanceId,
    InstanceTypeName, LaunchInput, Measure, MeasurementsInput, NetworkId, PoolId, Protocol, Rule,
    SecurityGroupId, SnapshotId, SubnetId, Target, VolumeId, ZoneId,
};
use crate::{Cloud, CloudResult, ErrorKind, Operation, Power, Secret};

/// Asks for every operation of a cloud whose requests nobody carries out.
///
/// # Panics
/// A declared one sends nothing or its answer is not read; another sends something or does not refuse.
pub async fn ask_for_everything(cloud: &dyn Cloud, tap: &Wiretap) {
    for operation in Operation::ALL {
        let outcome = ask(cloud, *operation).await;
        let sent = tap.take().len();
        if cloud.capabilities().contains(*operation) {
            assert!(sent > 0, "{operation} sends something");
            outcome.unwrap_or_else(|error| panic!("{operation}: {error}"));
        } else {
            assert_eq!(sent, 0, "{operation} sends nothing");
            assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unsupported(*operation));
        }
    }
}

/// Asks for an operation.
///
/// # Errors
/// What the cloud said.
pub async fn ask(cloud: &dyn Cloud, operation: Operation) -> CloudResult<()> {
    let instance = InstanceId::new("i-1");
    let volume = VolumeId::new("d-1");
    let group = SecurityGroupId::new("sg-1");
    let pool = PoolId::new("pool-1");
    let kind = InstanceTypeName::new("type.large");
    let zone = ZoneId::new("zone-1");
    let tags = labels(&[("team", "shop & söhne"), ("a b", "x*~/é+=")]);
    let target = Target { instance: instance.clone(), port: 8_080 };
    let rules = [
        Rule { direction: Direction::In, protocol: Protocol::Tcp(22, 22), peer: "10.0.0.0/8".to_owned() },
        Rule { direction: Direction::Out, protocol: Protocol::All, peer: "2001:db8::/32".to_owned() },
    ];
    match operation {
        Operation::Identity => cloud.identity().await.map(drop),
        Operation::Regions => cloud.regions().await.map(drop),
        Operation::Zones => cloud.zones().await.map(drop),
        Operation::InstanceTypes => cloud.instance_types(None).await.map(drop),
        Operation::Prices => cloud.prices(&[kind]).await.map(drop),
        Operation::Quotas => cloud.quotas().await.map(drop),
        Operation::Instances => {
            let filter = InstanceFilter { ids: vec![instance], tags, page_size: Some(10) };
            cloud.instances(&filter, None).await.map(drop)
        }
        Operation::Launch => {
            let wanted = LaunchInput {
                token: "token-1".parse().unwrap(),
                estate: Name::new("estate").unwrap(),
                name: Name::new("web-1").unwrap(),
                instance_type: kind,
                market: Market::Spot,
                image: ImageId::new("img-1"),
                zone: Some(zone),
                subnet: Some(SubnetId::new("subnet-1")),
                security_groups: vec![group],
                root_disk: Some(Bytes::mebi(40 << 10)),
                user_data: Some(Secret::new("#cloud-config\nruncmd: [ 'echo \"hi\" > /tmp/é' ]\n")),
                tags,
            };
            cloud.launch(&wanted).await.map(drop)
        }
        Operation::Start => cloud.power(&instance, Power::Start).await,
        Operation::Stop => cloud.power(&instance, Power::Stop).await,
        Operation::Reboot => cloud.power(&instance, Power::Reboot).await,
        Operation::Terminate => cloud.power(&instance, Power::Terminate).await,
        Operation::Resize => cloud.resize(&instance, &kind).await,
        Operation::Tag => cloud.tag(&instance, &tags).await,
        Operation::ConsoleOutput => cloud.console_output(&instance).await.map(drop),
        Operation::Volumes => cloud.volumes(None).await.map(drop),
        Operation::CreateVolume => {
            let (name, size) = ("data 1".to_owned(), Bytes::mebi(20 << 10));
            cloud.create_volume(&CreateVolumeInput { name, zone, size, class: None, tags }).await.map(drop)
        }
        Operation::AttachVolume => cloud.attach_volume(&volume, &instance).await,
        Operation::DetachVolume => cloud.detach_volume(&volume, &instance).await,
        Operation::DeleteVolume => cloud.delete_volume(&volume).await,
        Operation::Snapshots => cloud.snapshots(None).await.map(drop),
        Operation::CreateSnapshot => cloud.create_snapshot(&volume, "copy é").await.map(drop),
        Operation::DeleteSnapshot => cloud.delete_snapshot(&SnapshotId::new("s-1")).await,
        Operation::Images => {
            let filter = ImageFilter { name: Some("debian 13".to_owned()) };
            cloud.images(&filter, None).await.map(drop)
        }
        Operation::Networks => cloud.networks().await.map(drop),
        Operation::Subnets => cloud.subnets().await.map(drop),
        Operation::SecurityGroups => cloud.security_groups().await.map(drop),
        Operation::CreateSecurityGroup => {
            let (name, network) = ("quarantine".to_owned(), NetworkId::new("vpc-1"));
            let input = CreateSecurityGroupInput { name, network, rules: rules.to_vec() };
            cloud.create_security_group(&input).await.map(drop)
        }
        Operation::Allow => cloud.allow(&group, &rules).await,
        Operation::DeleteSecurityGroup => cloud.delete_security_group(&group).await,
        Operation::SetSecurityGroups => cloud.set_security_groups(&instance, &[group]).await,
        Operation::Pools => cloud.pools().await.map(drop),
        Operation::Register => cloud.register(&pool, &target).await,
        Operation::Deregister => cloud.deregister(&pool, &target).await,
        Operation::Measurements => {
            let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(3_600_000));
            let (measure, step) = (Measure::CpuPercent, Duration::from_secs(60));
            cloud.measurements(&MeasurementsInput { instance, measure, from, to, step }).await.map(drop)
        }
    }
}
