//! What is sent to Huawei Cloud and what its answers mean. The answers are written after its API reference, not recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lepton_cloud::conformance::wiretap::Wiretap;
use lepton_cloud::conformance::{ask, ask_for_everything};
use lepton_cloud::words::{
    Direction, InstanceFilter, InstanceId, InstanceState, Protocol, RegionId, VolumeState, ZoneId,
};
use lepton_cloud::{Cloud, Credentials, ErrorKind, Operation, Power};
use lepton_cloud_huawei::{HuaweiCloud, HuaweiConfig};
use lepton_model::{Bytes, Cpu, Market, Timestamp};
use serde_json::{Value, json};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

fn connect(tap: &Wiretap) -> HuaweiCloud {
    let credentials = Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
    let mut config = HuaweiConfig::new(RegionId::new("cn-north-4"), PROJECT, credentials);
    config.endpoint = tap.address().to_owned();
    HuaweiCloud::connect(config).unwrap()
}

/// The call as the answers name it: method, then the path without version and project.
fn name<T>(request: &http::Request<T>) -> String {
    let path = request.uri().path().replace(&format!("/{PROJECT}"), "");
    let rest = path.trim_start_matches('/').split_once('/').unwrap().1;
    format!("{} {rest}", request.method())
}

/// Answers each call as its reference says, with `changed` in place of some.
async fn answering_but(changed: Value) -> Wiretap {
    let mut answers: Value = serde_json::from_str(include_str!("it/answers.json")).unwrap();
    answers.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    Wiretap::listen(
        "huawei",
        Box::new(move |request| match answers.get(name(request)) {
            Some(answer) => (200, answer.to_string()),
            None => (204, String::new()),
        }),
    )
    .await
}

async fn answering() -> Wiretap {
    answering_but(json!({})).await
}

#[tokio::test]
async fn every_operation_is_sent_and_its_answer_read() {
    let tap = answering().await;
    ask_for_everything(&connect(&tap), &tap).await;
}

#[tokio::test]
async fn a_launch_says_what_is_wanted_and_looks_after_its_job() {
    let tap = answering().await;
    ask(&connect(&tap), Operation::Launch).await.unwrap();
    let requests = tap.take();
    let names: Vec<_> = requests.iter().map(name).collect();
    assert_eq!(names, ["GET subnets/subnet-1", "POST cloudservers", "GET jobs/job-1"]);
    assert_eq!(requests[1].headers()["x-client-token"], "token-1");
    let sent: Value = serde_json::from_slice(requests[1].body()).unwrap();
    let expect = json!({"server": {
        "name": "web-1",
        "flavorRef": "type.large",
        "imageRef": "img-1",
        "vpcid": "vpc-1",
        "nics": [{"subnet_id": "subnet-1"}],
        "root_volume": {"volumetype": "GPSSD", "size": 40},
        "count": 1,
        "server_tags": [
            {"key": "a b", "value": "x*~/é+="},
            {"key": "lepton-estate", "value": "estate"},
            {"key": "lepton-launch", "value": "token-1"},
            {"key": "team", "value": "shop & söhne"},
        ],
        "extendparam": {"chargingMode": "postPaid", "marketType": "spot"},
        "availability_zone": "zone-1",
        "security_groups": [{"id": "sg-1"}],
        "user_data": "I2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFsgJ2VjaG8gImhpIiA+IC90bXAvw6knIF0K",
    }});
    assert_eq!(sent, expect);
}

#[tokio::test]
async fn a_job_that_fails_is_a_launch_that_fails() {
    let job = json!({"status": "FAIL", "job_id": "job-1", "error_code": "Ecs.0319", "fail_reason": "Insufficient flavor capacity."});
    let tap = answering_but(json!({"GET jobs/job-1": job})).await;
    let error = ask(&connect(&tap), Operation::Launch).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::OutOfStock, Some("Ecs.0319")));
}

#[tokio::test]
async fn groups_are_entered_before_others_are_left() {
    let tap = answering().await;
    ask(&connect(&tap), Operation::SetSecurityGroups).await.unwrap();
    let requests = tap.take();
    let sent: Vec<Value> =
        requests.iter().skip(1).map(|request| serde_json::from_slice(request.body()).unwrap()).collect();
    let expect =
        [json!({"addSecurityGroup": {"name": "sg-1"}}), json!({"removeSecurityGroup": {"name": "sg-9"}})];
    assert_eq!(sent, expect);
}

#[tokio::test]
async fn a_new_group_is_closed_before_it_is_opened() {
    let tap = answering().await;
    ask(&connect(&tap), Operation::CreateSecurityGroup).await.unwrap();
    let names: Vec<_> = tap.take().iter().map(name).collect();
    let expect = [
        "POST vpc/security-groups",
        "GET vpc/security-group-rules",
        "DELETE vpc/security-group-rules/r-1",
        "DELETE vpc/security-group-rules/r-2",
        "DELETE vpc/security-group-rules/r-3",
        "DELETE vpc/security-group-rules/r-4",
    ];
    assert_eq!(names[..6], expect);
}

#[tokio::test]
async fn answers_are_read_in_our_words() {
    let tap = answering().await;
    let cloud = connect(&tap);

    let page = cloud.instances(&InstanceFilter::default(), None).await.unwrap();
    assert_eq!(page.next, None);
    let [machine, stopped] = page.items.as_slice() else { panic!("two machines: an unknown id is none") };
    assert_eq!((machine.id.as_str(), machine.name.as_str()), ("i-1", "web-1"));
    assert_eq!((machine.state, machine.market), (InstanceState::Running, Market::OnDemand));
    assert_eq!(machine.zone, Some(ZoneId::new("cn-north-4a")));
    assert_eq!(machine.subnet.as_ref().unwrap().as_str(), "subnet-1");
    assert_eq!(machine.private_addresses, ["192.168.0.10".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.public_addresses, ["121.36.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.created_at, Some("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap()));
    assert_eq!(machine.launch_token().unwrap().as_str(), "token-1");
    assert_eq!((stopped.state, stopped.market), (InstanceState::Stopped, Market::Spot));

    let types = cloud.instance_types(None).await.unwrap().items;
    assert_eq!(
        (types[0].cpu, types[0].memory, types[0].gpus),
        (Cpu::from_millis(1_000), Bytes::mebi(1_024), 0)
    );
    assert_eq!((types[1].gpus, types[1].architecture.as_deref()), (2, Some("amd64")));

    let quotas = cloud.quotas().await.unwrap();
    assert_eq!((quotas[1].name.as_str(), quotas[1].limit, quotas[1].used), ("cores", 800, Some(12)));

    let disks = cloud.volumes(None).await.unwrap().items;
    assert_eq!((disks[0].size, disks[0].state), (Bytes::mebi(40 << 10), VolumeState::Attached));
    assert!(disks[0].created_at.is_some());

    let groups = cloud.security_groups().await.unwrap();
    let rules: Vec<_> = groups[0].rules.iter().map(|r| (r.direction, r.protocol, r.peer.as_str())).collect();
    let expect = [
        (Direction::In, Protocol::Tcp(22, 22), "10.0.0.0/8"),
        (Direction::In, Protocol::Tcp(80, 90), "10.0.0.0/8"),
        (Direction::Out, Protocol::All, "0.0.0.0/0"),
    ];
    assert_eq!(rules, expect, "what denies, and what names no address, is left out");
}

#[tokio::test]
async fn refusals_are_named() {
    let check = async |status: u16, body: Value, expect: ErrorKind| {
        let text = body.to_string();
        let tap = Wiretap::listen("huawei-refusing", Box::new(move |_| (status, text.clone()))).await;
        let error = connect(&tap).power(&InstanceId::new("i-1"), Power::Reboot).await.unwrap_err();
        assert_eq!(error.kind, expect, "{body}");
    };
    let ecs = |code: &str, message: &str| json!({"error": {"code": code, "message": message}});
    let gateway = json!({"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information", "request_id": "R"});
    check(401, gateway, ErrorKind::Unauthorized).await;
    check(403, ecs("Ecs.0003", ""), ErrorKind::Forbidden).await;
    check(400, ecs("Ecs.0114", ""), ErrorKind::NotFound).await;
    check(400, ecs("Ecs.0005", ""), ErrorKind::Invalid { field: None }).await;
    check(400, ecs("Ecs.0001", "Insufficient ECS quota."), ErrorKind::Quota { limit: None }).await;
    check(404, json!({"code": "VPC.0202", "message": "no"}), ErrorKind::NotFound).await;
    check(409, json!({"code": "VPC.0601", "message": "in use"}), ErrorKind::Conflict).await;
    check(
        429,
        json!({"error_code": "APIGW.0308", "error_msg": "slow"}),
        ErrorKind::Throttled { retry_after: None },
    )
    .await;
    check(500, json!({}), ErrorKind::Unanswered).await;
}
