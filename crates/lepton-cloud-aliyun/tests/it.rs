//! What is sent to Alibaba Cloud and what its answers mean. The answers are written after its API reference, not recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lepton_cloud::conformance::wiretap::Wiretap;
use lepton_cloud::conformance::{ask, ask_for_everything};
use lepton_cloud::words::{
    Direction, InstanceFilter, InstanceId, InstanceState, InstanceTypeName, Protocol, RegionId, VolumeState,
    ZoneId,
};
use lepton_cloud::{Cloud, Credentials, ErrorKind, Operation, Power};
use lepton_cloud_aliyun::{AliyunCloud, AliyunConfig};
use lepton_model::{Bytes, Cpu, Market, Timestamp};
use serde_json::Value;

fn connect(tap: &Wiretap) -> AliyunCloud {
    let credentials = Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
    let mut config = AliyunConfig::new(RegionId::new("cn-hangzhou"), credentials);
    config.endpoint = tap.address().to_owned();
    AliyunCloud::connect(config).unwrap()
}

/// Answers each action as its reference says.
async fn answering() -> Wiretap {
    let answers: Value = serde_json::from_str(include_str!("it/answers.json")).unwrap();
    Wiretap::listen(
        "aliyun",
        Box::new(move |request| {
            let action = request.headers()["x-acs-action"].to_str().unwrap();
            match answers.get(action) {
                Some(answer) => (200, answer.to_string()),
                None => (200, r#"{"RequestId": "R"}"#.to_owned()),
            }
        }),
    )
    .await
}

async fn refusing(status: u16, code: &'static str, message: &'static str) -> Wiretap {
    let body = serde_json::json!({"RequestId": "R-1", "HostId": "ecs", "Code": code, "Message": message});
    Wiretap::listen("aliyun-refusing", Box::new(move |_| (status, body.to_string()))).await
}

#[tokio::test]
async fn every_operation_is_sent_and_its_answer_read() {
    let tap = answering().await;
    ask_for_everything(&connect(&tap), &tap).await;
}

/// The query of the last request, without what is in every one.
async fn sent(operation: Operation) -> Vec<String> {
    let tap = answering().await;
    ask(&connect(&tap), operation).await.unwrap();
    let request = tap.take().pop().unwrap();
    let query = request.uri().query().unwrap().split('&').filter(|pair| !pair.starts_with("RegionId="));
    query.map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_say_what_is_wanted() {
    let launch = sent(Operation::Launch).await;
    let expect = [
        "Amount=1",
        "ClientToken=token-1",
        "HostName=web-1",
        "ImageId=img-1",
        "InstanceChargeType=PostPaid",
        "InstanceName=web-1",
        "InstanceType=type.large",
        "SecurityGroupIds.1=sg-1",
        "SpotStrategy=SpotAsPriceGo",
        "SystemDisk.Size=40",
        "Tag.1.Key=a%20b",
        "Tag.1.Value=x%2A~%2F%C3%A9%2B%3D",
        "Tag.2.Key=lepton-estate",
        "Tag.2.Value=estate",
        "Tag.3.Key=lepton-launch",
        "Tag.3.Value=token-1",
        "Tag.4.Key=team",
        "Tag.4.Value=shop%20%26%20s%C3%B6hne",
        "UserData=I2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFsgJ2VjaG8gImhpIiA%2BIC90bXAvw6knIF0K",
        "VSwitchId=subnet-1",
        "ZoneId=zone-1",
    ];
    assert_eq!(launch, expect);
    let instances = sent(Operation::Instances).await;
    assert!(instances.contains(&"InstanceIds=%5B%22i-1%22%5D".to_owned()), "{instances:?}");
    assert_eq!(sent(Operation::SetSecurityGroups).await, ["InstanceId=i-1", "SecurityGroupIds.1=sg-1"]);
}

#[tokio::test]
async fn a_new_group_is_closed_before_it_is_opened() {
    let tap = answering().await;
    ask(&connect(&tap), Operation::CreateSecurityGroup).await.unwrap();
    let requests = tap.take();
    let action = |request: &http::Request<_>| request.headers()["x-acs-action"].to_str().unwrap().to_owned();
    let actions: Vec<_> = requests.iter().map(action).collect();
    let expect = [
        "CreateSecurityGroup",
        "ModifySecurityGroupPolicy",
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroup",
        "AuthorizeSecurityGroupEgress",
    ];
    assert_eq!(actions, expect);
    let drop = requests[2].uri().query().unwrap();
    assert!(
        drop.contains("Permissions.1.Policy=drop") && drop.contains("Permissions.1.Priority=100"),
        "{drop}"
    );
}

#[tokio::test]
async fn answers_are_read_in_our_words() {
    let tap = answering().await;
    let cloud = connect(&tap);

    let page = cloud.instances(&InstanceFilter::default(), None).await.unwrap();
    assert_eq!(page.next.unwrap().as_str(), "caeba0bbb2be03f84eb48b699f0a4883");
    let [machine, stopped] = page.items.as_slice() else { panic!("two machines") };
    assert_eq!((machine.id.as_str(), machine.name.as_str()), ("i-bp67acfmxazb4p****", "web-1"));
    assert_eq!((machine.state, machine.market), (InstanceState::Running, Market::OnDemand));
    assert_eq!(machine.zone, Some(ZoneId::new("cn-hangzhou-h")));
    assert_eq!(machine.private_addresses, ["172.17.3.10".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.public_addresses, ["121.40.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.created_at, Some("2026-01-02T03:04:00Z".parse::<Timestamp>().unwrap()));
    assert_eq!(machine.launch_token().unwrap().as_str(), "token-1");
    assert_eq!((stopped.state, stopped.market), (InstanceState::Stopped, Market::Spot));

    let types = cloud.instance_types(None).await.unwrap().items;
    assert_eq!((types[0].cpu, types[0].memory), (Cpu::from_millis(2_000), Bytes::mebi(512)));
    assert_eq!((types[1].gpus, types[1].architecture.as_deref()), (1, Some("amd64")));

    let prices = cloud.prices(&[InstanceTypeName::new("ecs.g7.large")]).await.unwrap();
    assert_eq!(prices[0].per_hour.to_string(), "0.504 CNY", "the machine without its disk");

    let disks = cloud.volumes(None).await.unwrap().items;
    assert_eq!((disks[0].size, disks[0].state), (Bytes::mebi(20 << 10), VolumeState::Attached));

    let groups = cloud.security_groups().await.unwrap();
    let rules: Vec<_> = groups[0].rules.iter().map(|r| (r.direction, r.protocol, r.peer.as_str())).collect();
    let expect = [
        (Direction::In, Protocol::Tcp(22, 22), "10.0.0.0/8"),
        (Direction::Out, Protocol::All, "2001:db8::/32"),
    ];
    assert_eq!(rules, expect, "what drops, and what names no address, is left out");

    assert_eq!(cloud.console_output(&machine.id).await.unwrap().text, "cloud-init: done\n");
}

#[tokio::test]
async fn refusals_are_named() {
    let check = async |status, code, message, expect: ErrorKind| {
        let tap = refusing(status, code, message).await;
        let error = connect(&tap).power(&InstanceId::new("i-1"), Power::Reboot).await.unwrap_err();
        assert_eq!((error.kind, error.request_id.as_deref()), (expect, Some("R-1")), "{code}");
    };
    let invalid = ErrorKind::Invalid { field: None };
    check(404, "InvalidAccessKeyId.NotFound", "", ErrorKind::Unauthorized).await;
    check(400, "SignatureDoesNotMatch", "", ErrorKind::Unauthorized).await;
    check(403, "Forbidden.RAM", "", ErrorKind::Forbidden).await;
    check(404, "InvalidInstanceId.NotFound", "", ErrorKind::NotFound).await;
    check(400, "InvalidInstanceType.ValueNotSupported", "", invalid).await;
    check(403, "IncorrectInstanceStatus", "", ErrorKind::Conflict).await;
    check(403, "OperationDenied.NoStock", "", ErrorKind::OutOfStock).await;
    check(400, "Throttling.User", "", ErrorKind::Throttled { retry_after: None }).await;
    check(500, "InternalError", "", ErrorKind::Unanswered).await;
    check(503, "ServiceUnavailable", "", ErrorKind::Transient).await;
    let quota = ErrorKind::Quota { limit: Some(50) };
    check(403, "QuotaExceed.ElasticQuota", "No more than 50 vCPUs may be used.", quota).await;
}

#[tokio::test]
async fn starting_what_runs_is_well() {
    let tap = Wiretap::listen(
        "aliyun-running",
        Box::new(|request| match request.headers()["x-acs-action"].to_str().unwrap() {
            "DescribeInstanceStatus" => {
                let status = r#"{"InstanceStatuses": {"InstanceStatus": [{"InstanceId": "i-1", "Status": "Running"}]}}"#;
                (200, status.to_owned())
            }
            _ => (403, r#"{"Code": "IncorrectInstanceStatus", "Message": "no", "RequestId": "R"}"#.to_owned()),
        }),
    )
    .await;
    let cloud = connect(&tap);
    cloud.power(&InstanceId::new("i-1"), Power::Start).await.unwrap();
    assert_eq!(
        cloud.power(&InstanceId::new("i-1"), Power::Stop).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
}
