//! What the guard does around calls.

use std::sync::Arc;
use std::time::Duration;

use lepton_cloud::words::InstanceFilter;
use lepton_cloud::{Cloud, CloudMetrics, ErrorKind, GuardConfig, Guarded, Operation};
use lepton_cloud_sim::{Faults, SimConfig, SimWorld};
use tokio::time::Instant;

use crate::wanted;

fn guarded(faults: Faults, config: GuardConfig) -> (SimWorld, Guarded, Arc<CloudMetrics>) {
    let world = SimWorld::new(SimConfig { faults, ..SimConfig::default() });
    let metrics = Arc::<CloudMetrics>::default();
    let cloud = Guarded::new(Arc::new(world.connect("east").unwrap()), config, metrics.clone());
    (world, cloud, metrics)
}

fn exposed(metrics: &CloudMetrics) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &registry).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_reads_everything() {
    let (world, cloud, _) =
        guarded(Faults::default(), GuardConfig { dry_run: true, ..GuardConfig::default() });
    let error = cloud.launch(&wanted("t-1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DryRun(Operation::Launch));
    assert_eq!(cloud.instances(&InstanceFilter::default(), None).await.unwrap().items, []);
    assert_eq!(world.live(), []);
}

#[tokio::test(start_paused = true)]
async fn a_launch_without_an_answer_is_never_sent_twice_by_the_guard() {
    let faults = Faults { answer_lost: 1.0, honours_tokens: false, ..Faults::default() };
    let (world, cloud, metrics) = guarded(faults, GuardConfig::default());
    assert_eq!(cloud.launch(&wanted("t-1")).await.unwrap_err().kind, ErrorKind::Unanswered);
    assert_eq!(world.live().len(), 1, "it took effect once");
    let line =
        r#"lepton_cloud_calls_total{provider="sim",region="east",operation="launch",outcome="unanswered"} 1"#;
    assert!(exposed(&metrics).contains(line), "{}", exposed(&metrics));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_throttling_is_ridden_out() {
    let faults = Faults { calls_per_second: Some(5.0), ..Faults::default() };
    let (_, cloud, _) = guarded(faults, GuardConfig::default());
    let cloud = Arc::new(cloud);
    let begun = Instant::now();
    let calls = (0..200).map(|_| {
        let cloud = cloud.clone();
        tokio::spawn(async move { cloud.zones().await.is_ok() })
    });
    let mut answered = 0;
    for call in calls.collect::<Vec<_>>() {
        answered += u32::from(call.await.unwrap());
    }
    // The limit allows 200 in 40 s. Whoever is throttled in every attempt may still fail, but few do.
    assert!(answered >= 180, "{answered} of 200 answered");
    assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dark_cloud_is_told_soon_once_the_budget_is_spent() {
    let (world, cloud, metrics) = guarded(Faults::default(), GuardConfig::default());
    world.set_dark("east", true);
    for _ in 0..200 {
        assert_eq!(cloud.zones().await.unwrap_err().kind, ErrorKind::Transient);
    }
    let exposed = exposed(&metrics);
    let attempts = exposed.lines().find(|line| line.contains(r#"outcome="transient""#)).unwrap();
    // 200 calls and the 50 retries of the budget, not 200 × 5.
    assert!(attempts.ends_with(" 250"), "{attempts}");
    world.set_dark("east", false);
    cloud.zones().await.expect("light again");
}
