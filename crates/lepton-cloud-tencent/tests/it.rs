//! What is sent to Tencent Cloud and what its answers mean. The answers are written after its API reference, not recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lepton_cloud::conformance::wiretap::Wiretap;
use lepton_cloud::conformance::{ask, ask_for_everything};
use lepton_cloud::words::{
    Direction, InstanceFilter, InstanceId, InstanceState, InstanceTypeName, Protocol, RegionId, VolumeState,
    ZoneId,
};
use lepton_cloud::{Cloud, Credentials, ErrorKind, Operation, Power};
use lepton_cloud_tencent::{TencentCloud, TencentConfig};
use lepton_model::{Bytes, Cpu, Market, Timestamp};
use serde_json::{Value, json};

fn connect(tap: &Wiretap) -> TencentCloud {
    let credentials = Credentials::new("LEPTONTESTAK00000001", "LeptonTestSecretKey0000000000000000000001");
    let mut config = TencentConfig::new(RegionId::new("ap-guangzhou"), credentials);
    config.endpoint = tap.address().to_owned();
    TencentCloud::connect(config).unwrap()
}

/// Answers each action as its reference says.
async fn answering() -> Wiretap {
    let answers: Value = serde_json::from_str(include_str!("it/answers.json")).unwrap();
    Wiretap::listen(
        "tencent",
        Box::new(move |request| {
            let action = request.headers()["x-tc-action"].to_str().unwrap();
            let mut answer = answers.get(action).cloned().unwrap_or(json!({}));
            answer["RequestId"] = "R".into();
            (200, json!({"Response": answer}).to_string())
        }),
    )
    .await
}

async fn refusing(code: &'static str, message: &'static str) -> Wiretap {
    let body = json!({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "R-1"}});
    Wiretap::listen("tencent-refusing", Box::new(move |_| (200, body.to_string()))).await
}

#[tokio::test]
async fn every_operation_is_sent_and_its_answer_read() {
    let tap = answering().await;
    ask_for_everything(&connect(&tap), &tap).await;
}

/// What the last request of an operation says.
async fn sent(operation: Operation) -> Value {
    let tap = answering().await;
    ask(&connect(&tap), operation).await.unwrap();
    serde_json::from_slice(tap.take().pop().unwrap().body()).unwrap()
}

#[tokio::test]
async fn requests_say_what_is_wanted() {
    let launch = sent(Operation::Launch).await;
    let expect = json!({
        "ClientToken": "token-1",
        "InstanceCount": 1,
        "InstanceName": "web-1",
        "HostName": "web-1",
        "InstanceType": "type.large",
        "ImageId": "img-1",
        "InstanceChargeType": "SPOTPAID",
        "Placement": {"Zone": "zone-1"},
        "TagSpecification": [{"ResourceType": "instance", "Tags": [
            {"Key": "a b", "Value": "x*~/é+="},
            {"Key": "lepton-estate", "Value": "estate"},
            {"Key": "lepton-launch", "Value": "token-1"},
            {"Key": "team", "Value": "shop & söhne"},
        ]}],
        "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"},
        "SecurityGroupIds": ["sg-1"],
        "SystemDisk": {"DiskSize": 40},
        "UserData": "I2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFsgJ2VjaG8gImhpIiA+IC90bXAvw6knIF0K",
    });
    assert_eq!(launch, expect);
    let tag = sent(Operation::Tag).await;
    assert_eq!(tag["ResourceList"], json!(["qcs::cvm:ap-guangzhou:uin/100000000001:instance/i-1"]));
    // The rule for SSH is there already.
    let expect = json!({"Egress": [{"Protocol": "ALL", "Port": "ALL", "Ipv6CidrBlock": "2001:db8::/32", "Action": "ACCEPT"}]});
    assert_eq!(sent(Operation::Allow).await["SecurityGroupPolicySet"], expect);
}

#[tokio::test]
async fn answers_are_read_in_our_words() {
    let tap = answering().await;
    let cloud = connect(&tap);

    let page = cloud.instances(&InstanceFilter::default(), None).await.unwrap();
    assert_eq!(page.next.unwrap().as_str(), "2", "two of three");
    let [machine, spot] = page.items.as_slice() else { panic!("two machines") };
    assert_eq!((machine.id.as_str(), machine.name.as_str()), ("ins-r8hr2upy", "web-1"));
    assert_eq!((machine.state, machine.market), (InstanceState::Running, Market::OnDemand));
    assert_eq!(machine.zone, Some(ZoneId::new("ap-guangzhou-3")));
    assert_eq!(machine.private_addresses, ["10.0.0.8".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.public_addresses, ["43.136.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(machine.created_at, Some("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap()));
    assert_eq!(machine.launch_token().unwrap().as_str(), "token-1");
    assert_eq!((spot.state, spot.market), (InstanceState::Terminated, Market::Spot));

    let types = cloud.instance_types(None).await.unwrap().items;
    assert_eq!(types.len(), 2, "each once");
    assert_eq!((types[1].cpu, types[1].memory), (Cpu::from_millis(1_000), Bytes::mebi(2 << 10)));

    let prices = cloud.prices(&[InstanceTypeName::new("S5.SMALL2")]).await.unwrap();
    let shown: Vec<_> = prices.iter().map(|price| (price.market, price.per_hour.to_string())).collect();
    let expect = [(Market::OnDemand, "0.18 CNY".to_owned()), (Market::Spot, "0.036 CNY".to_owned())];
    assert_eq!(shown, expect, "what is sold out or paid by the month is left out");

    let disks = cloud.volumes(None).await.unwrap().items;
    assert_eq!((disks[0].size, disks[0].state), (Bytes::mebi(50 << 10), VolumeState::Attached));

    let groups = cloud.security_groups().await.unwrap();
    let rules: Vec<_> = groups[0].rules.iter().map(|r| (r.direction, r.protocol, r.peer.as_str())).collect();
    let expect = [
        (Direction::In, Protocol::Tcp(22, 22), "10.0.0.0/8"),
        (Direction::In, Protocol::Udp(4_000, 4_010), "192.168.1.0/24"),
    ];
    assert_eq!(rules, expect, "what drops, and what names no address, is left out");
}

#[tokio::test]
async fn refusals_are_named() {
    let check = async |code, message, expect: ErrorKind| {
        let tap = refusing(code, message).await;
        let error = connect(&tap).power(&InstanceId::new("i-1"), Power::Reboot).await.unwrap_err();
        assert_eq!((error.kind, error.request_id.as_deref()), (expect, Some("R-1")), "{code}");
    };
    check("AuthFailure.SignatureFailure", "", ErrorKind::Unauthorized).await;
    check("AuthFailure.SecretIdNotFound", "", ErrorKind::Unauthorized).await;
    check("AuthFailure.UnauthorizedOperation", "", ErrorKind::Forbidden).await;
    check("InvalidInstanceId.NotFound", "", ErrorKind::NotFound).await;
    check("InvalidParameterValue.Range", "", ErrorKind::Invalid { field: None }).await;
    check("UnsupportedOperation.InstanceStateStopped", "", ErrorKind::Conflict).await;
    check("ResourcesSoldOut.SpecifiedInstanceType", "", ErrorKind::OutOfStock).await;
    check("RequestLimitExceeded", "", ErrorKind::Throttled { retry_after: None }).await;
    check("InternalError", "", ErrorKind::Unanswered).await;
    let quota = ErrorKind::Quota { limit: Some(30) };
    check("LimitExceeded.InstanceQuota", "You may have 30 instances.", quota).await;
}

#[tokio::test]
async fn starting_what_runs_is_well() {
    let tap = refusing("UnsupportedOperation.InstanceStateRunning", "it runs").await;
    let cloud = connect(&tap);
    cloud.power(&InstanceId::new("i-1"), Power::Start).await.unwrap();
    assert_eq!(
        cloud.power(&InstanceId::new("i-1"), Power::Stop).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
}
