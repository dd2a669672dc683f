//! Networks, security groups, isolation, pools.

use super::{Trial, distinct};
use crate::isolate;
use crate::launch_once;
use crate::words::{
    CreateSecurityGroupInput, Direction, LaunchInput, NetworkId, Protocol, Rule, SecurityGroup,
    SecurityGroupId, Target,
};

pub(super) async fn subnets_belong_to_networks(trial: &Trial) {
    let networks = trial.cloud.networks().await.unwrap();
    let networks = distinct(networks.iter().map(|network| &network.id));
    let subnets = trial.cloud.subnets().await.unwrap();
    distinct(subnets.iter().map(|subnet| &subnet.id));
    assert!(subnets.iter().all(|subnet| networks.contains(&subnet.network)), "{subnets:?} in {networks:?}");
    assert!(subnets.iter().any(|subnet| subnet.id == trial.subnet), "the trial's subnet");
}

/// The network of the trial's subnet.
async fn network(trial: &Trial) -> NetworkId {
    let subnets = trial.cloud.subnets().await.unwrap();
    subnets.into_iter().find(|subnet| subnet.id == trial.subnet).expect("the trial's subnet").network
}

async fn show(trial: &Trial, id: &SecurityGroupId) -> Option<SecurityGroup> {
    let all = trial.cloud.security_groups().await.unwrap();
    distinct(all.iter().map(|group| &group.id));
    all.into_iter().find(|group| &group.id == id)
}

fn rule(direction: Direction, protocol: Protocol, peer: &str) -> Rule {
    Rule { direction, protocol, peer: peer.to_owned() }
}

pub(super) async fn a_group_lets_through_what_it_says(trial: &Trial) {
    let ssh = rule(Direction::In, Protocol::Tcp(22, 22), "10.0.0.0/8");
    let name = format!("{}-group", trial.estate);
    let input = CreateSecurityGroupInput {
        name: name.clone(),
        network: network(trial).await,
        rules: vec![ssh.clone()],
    };
    let id = trial.cloud.create_security_group(&input).await.unwrap();
    let group = trial.wait("the group", async || show(trial, &id).await).await;
    assert_eq!((group.name, group.rules), (name, vec![ssh.clone()]), "that and nothing else");
    let more = [
        rule(Direction::In, Protocol::Udp(4_000, 4_010), "192.168.1.0/24"),
        rule(Direction::Out, Protocol::Tcp(443, 443), "0.0.0.0/0"),
    ];
    trial.cloud.allow(&id, &more).await.unwrap();
    trial.cloud.allow(&id, &more).await.expect("a rule that is there already is well");
    let expect = distinct([&ssh, &more[0], &more[1]]);
    let allowed = async || {
        let group = show(trial, &id).await?;
        (distinct(&group.rules) == expect).then_some(())
    };
    trial.wait("the new rules beside the old", allowed).await;
    trial.cloud.delete_security_group(&id).await.unwrap();
    trial.wait("the group is gone", async || show(trial, &id).await.is_none().then_some(())).await;
}

pub(super) async fn isolation_can_be_undone(trial: &Trial) {
    let cloud = &*trial.cloud;
    let own = CreateSecurityGroupInput {
        name: format!("{}-own", trial.estate),
        network: network(trial).await,
        rules: vec![rule(Direction::In, Protocol::Tcp(80, 80), "0.0.0.0/0")],
    };
    let own = cloud.create_security_group(&own).await.unwrap();
    let wanted = LaunchInput { security_groups: vec![own.clone()], ..trial.wanted() };
    let id = launch_once(cloud, &wanted).await.unwrap();
    trial.until(&id, crate::words::InstanceState::Running).await;
    let groups = async |expect: &SecurityGroupId| {
        let expect = std::slice::from_ref(expect);
        let seen = async || trial.show(&id).await.filter(|machine| machine.security_groups == expect);
        trial.wait("the machine's groups", seen).await
    };
    groups(&own).await;

    let isolation = isolate::prepare(cloud, &id, &[]).await.unwrap();
    assert_eq!(isolation.before, std::slice::from_ref(&own));
    isolate::apply(cloud, &isolation).await.unwrap();
    groups(&isolation.quarantine).await;
    let quarantine = show(trial, &isolation.quarantine).await.expect("the quarantine");
    assert_eq!(quarantine.rules, [], "nothing goes through");
    assert_eq!(super::word(&isolate::prepare(cloud, &id, &[]).await), "conflict", "cut off already");
    isolate::undo(cloud, &isolation).await.unwrap();
    groups(&own).await;

    trial.give_back(&id).await;
    for group in [own, isolation.quarantine] {
        let deleted = async || cloud.delete_security_group(&group).await.ok();
        trial.wait("the group can be deleted", deleted).await;
    }
}

pub(super) async fn targets_come_and_go(trial: &Trial) {
    let pool = trial.cloud.pools().await.unwrap().into_iter().next().expect("a pool to try").id;
    let target = Target { instance: trial.machine().await.id, port: 8_080 };
    let has = async |expect: bool| {
        let seen = async || {
            let pools = trial.cloud.pools().await.unwrap();
            let pool = pools.into_iter().find(|other| other.id == pool)?;
            (pool.targets.contains(&target) == expect).then_some(())
        };
        trial.wait("the pool's targets", seen).await;
    };
    trial.cloud.register(&pool, &target).await.unwrap();
    trial.cloud.register(&pool, &target).await.expect("registered already is well");
    has(true).await;
    trial.cloud.deregister(&pool, &target).await.unwrap();
    trial.cloud.deregister(&pool, &target).await.expect("deregistered already is well");
    has(false).await;
    trial.give_back(&target.instance).await;
}
