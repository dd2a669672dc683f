//! Prices, shortages, quotas and interruptions.

use std::time::Duration;

use lepton_cloud::words::{InstanceTypeName, LaunchInput, ZoneId};
use lepton_cloud::{Cloud, ErrorKind};
use lepton_cloud_sim::{SimConfig, SimWorld};
use lepton_model::Market;

use crate::wanted;

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_world() {
    let prices = async |seed, region: &str| {
        let world = SimWorld::new(SimConfig { seed, ..SimConfig::default() });
        let types = [InstanceTypeName::new("memory.xlarge")];
        world.connect(region).unwrap().prices(&types).await.unwrap()
    };
    assert_eq!(prices(1, "east").await, prices(1, "east").await);
    assert_ne!(prices(1, "east").await, prices(2, "east").await);
    let east = prices(1, "east").await;
    assert_ne!(east, prices(1, "west").await);
    let (on_demand, spot): (Vec<_>, Vec<_>) = east.iter().partition(|price| price.market == Market::OnDemand);
    assert_eq!((on_demand.len(), spot.len()), (1, 3), "one for each zone");
    assert!(spot.iter().all(|price| price.per_hour.amount < on_demand[0].per_hour.amount));
}

#[tokio::test(start_paused = true)]
async fn a_zone_runs_out_and_an_account_reaches_its_quota() {
    let launch = async |config: SimConfig| {
        let world = SimWorld::new(config);
        let cloud = world.connect("east").unwrap();
        let mut launched = 0_u64;
        loop {
            let zone = Some(ZoneId::new("east-a"));
            let input = LaunchInput { zone, ..wanted(&format!("t-{launched}")) };
            match cloud.launch(&input).await {
                Ok(_) => launched += 1,
                Err(error) => return (launched, error.kind),
            }
        }
    };
    let (launched, kind) = launch(SimConfig { stock: 40, ..SimConfig::default() }).await;
    assert!((10..=40).contains(&launched) && kind == ErrorKind::OutOfStock, "{kind:?} after {launched}");
    let quota = ErrorKind::Quota { limit: Some(9) };
    assert_eq!(launch(SimConfig { core_quota: 9, ..SimConfig::default() }).await, (9, quota));
}

#[tokio::test(start_paused = true)]
async fn spot_machines_are_taken_back_after_a_notice() {
    let world =
        SimWorld::new(SimConfig { spot_lifetime: Duration::from_secs(3_600), ..SimConfig::default() });
    let cloud = world.connect("east").unwrap();
    let spot = LaunchInput { market: Market::Spot, ..wanted("t-spot") };
    let id = cloud.launch(&spot).await.unwrap();
    cloud.launch(&wanted("t-demand")).await.unwrap();
    let mut noticed = None;
    while world.live().len() == 2 {
        noticed = noticed.or_else(|| world.interruption_notice(&id));
        assert!(world.elapsed() < Duration::from_secs(100 * 3_600), "it lives too long");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert!(world.live().iter().all(|machine| machine.market == Market::OnDemand));
    assert!(noticed.is_some_and(|at| at <= world.now()), "told at {noticed:?}");
}
