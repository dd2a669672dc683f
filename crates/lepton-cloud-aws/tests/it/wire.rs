//! Without an emulator: refusals, and that nothing is sent twice or unsigned.

use lepton_cloud::conformance::ask;
use lepton_cloud::conformance::wiretap::Wiretap;
use lepton_cloud::words::InstanceId;
use lepton_cloud::{Cloud, Credentials, ErrorKind, Operation, Power, Secret};

use crate::connect;

async fn answering(status: u16, body: &'static str) -> Wiretap {
    Wiretap::listen("aws", Box::new(move |_| (status, body.to_owned()))).await
}

#[tokio::test]
async fn refusals_are_named() {
    let check = async |status, body: &'static str, expect: ErrorKind| {
        let tap = answering(status, body).await;
        let error = connect(tap.address(), Credentials::new("AK", "SK")).zones().await.unwrap_err();
        assert_eq!((error.kind, error.request_id.as_deref()), (expect, Some("R-1")), "{body}");
    };
    let ec2 = "<Response><Errors><Error><Code>InstanceLimitExceeded</Code><Message>You have requested more instances (3) than your current instance limit of 2 allows.</Message></Error></Errors><RequestID>R-1</RequestID></Response>";
    check(400, ec2, ErrorKind::Quota { limit: Some(3) }).await;
    let sts = "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>R-1</RequestId></ErrorResponse>";
    check(403, sts, ErrorKind::Unauthorized).await;
    let stock = "<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code><Message>none</Message></Error></Errors><RequestID>R-1</RequestID></Response>";
    check(500, stock, ErrorKind::OutOfStock).await;
    let busy = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error></Errors><RequestID>R-1</RequestID></Response>";
    check(503, busy, ErrorKind::Throttled { retry_after: None }).await;
}

#[tokio::test]
async fn an_answer_that_is_no_xml_may_have_taken_effect() {
    let tap = answering(200, "<RunInstancesResponse><instancesSet><item>").await;
    let cloud = connect(tap.address(), Credentials::new("AK", "SK"));
    assert_eq!(ask(&cloud, Operation::Zones).await.unwrap_err().kind, ErrorKind::Unanswered);
}

#[tokio::test]
async fn temporary_keys_send_their_token_signed() {
    let tap = answering(200, "<StartInstancesResponse/>").await;
    let credentials = Credentials { session_token: Some(Secret::new("T-1")), ..Credentials::new("AK", "SK") };
    connect(tap.address(), credentials).power(&InstanceId::new("i-1"), Power::Start).await.unwrap();
    let requests = tap.take();
    assert_eq!(requests.len(), 1);
    let header = |name: &str| requests[0].headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-amz-security-token"), "T-1");
    let signed = header("authorization");
    assert!(signed.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"), "{signed}");
    assert_eq!(requests[0].body().as_ref(), b"Action=StartInstances&InstanceId.1=i-1&Version=2016-11-15");
}
