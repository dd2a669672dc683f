//! No machine is doubled or leaked, whatever is lost and wherever the caller dies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lepton_cloud::launch::{find, leaked, owned};
use lepton_cloud::words::LaunchToken;
use lepton_cloud::{Cloud, GuardConfig, Guarded, Power, launch_once};
use lepton_cloud_sim::{Faults, SimConfig, SimWorld};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::wanted;

const RUNS: u64 = 1_000;

/// What a control plane keeps on disk: tokens from before a launch is sent, and the ones it gave up.
#[derive(Default)]
struct Record {
    wanted: BTreeSet<LaunchToken>,
}

/// What one run met.
#[derive(Default)]
struct Met {
    crashes: u32,
    swept: usize,
    failed: u32,
}

/// Launches a few machines through every fault, dying now and then in the middle; then all heals and the sweep comes.
async fn run(seed: u64) -> Met {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let faults = Faults {
        latency: (Duration::from_millis(10), Duration::from_millis(400)),
        transient: random.random_range(0.0..0.2),
        request_lost: random.random_range(0.0..0.2),
        answer_lost: random.random_range(0.0..0.5),
        torn_page: random.random_range(0.0..0.1),
        calls_per_second: random.random_bool(0.3).then_some(5.0),
        list_lag: Duration::from_secs(random.random_range(0..60)),
        honours_tokens: random.random_bool(0.5),
    };
    let world = SimWorld::new(SimConfig { seed, faults, ..SimConfig::default() });
    let config = GuardConfig { seed, ..GuardConfig::default() };
    let cloud: Arc<dyn Cloud> =
        Arc::new(Guarded::new(Arc::new(world.connect("east").unwrap()), config, Arc::default()));
    let (mut record, mut met) = (Record::default(), Met::default());

    for number in 0..random.random_range(1..6) {
        let input = wanted(&format!("t-{seed}-{number}"));
        record.wanted.insert(input.token.clone());
        loop {
            // The process dies at a random moment, and with it everything but the record.
            let lives = Duration::from_millis(random.random_range(0..60_000));
            match tokio::time::timeout(lives, launch_once(&*cloud, &input)).await {
                Ok(Ok(_)) => break,
                Ok(Err(_)) => met.failed += 1,
                Err(_) => met.crashes += 1,
            }
            if random.random_bool(0.1) {
                // Given up: whatever there is of it is nobody's.
                record.wanted.remove(&input.token);
                break;
            }
        }
    }

    world.set_faults(Faults::default());
    let owned = owned(&*cloud, "test").await.unwrap();
    for machine in leaked(&owned, &record.wanted) {
        cloud.power(&machine.id, Power::Terminate).await.unwrap();
        met.swept += 1;
    }
    let live = world.live();
    let tokens: Vec<_> = live.iter().map(|machine| machine.launch_token().unwrap()).collect();
    assert_eq!(tokens.len(), record.wanted.len(), "seed {seed}: {tokens:?} for {:?}", record.wanted);
    assert_eq!(tokens.into_iter().collect::<BTreeSet<_>>(), record.wanted, "seed {seed}");
    met
}

#[test]
fn no_machine_is_leaked_or_doubled_in_a_thousand_runs() {
    let mut all = Met::default();
    for seed in 0..RUNS {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let met = runtime.block_on(run(seed));
        all.crashes += met.crashes;
        all.swept += met.swept;
        all.failed += met.failed;
    }
    // The runs were hard enough to mean something.
    assert!(all.crashes > 500, "{} crashes", all.crashes);
    assert!(all.failed > 100, "{} launches failed", all.failed);
    assert!(all.swept > 50, "{} machines swept", all.swept);
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_took_effect_after_its_time_out_is_found() {
    let faults = Faults { answer_lost: 1.0, honours_tokens: false, ..Faults::default() };
    let world = SimWorld::new(SimConfig { faults, ..SimConfig::default() });
    let cloud = world.connect("east").unwrap();
    let input = wanted("t-1");
    assert_eq!(cloud.launch(&input).await.unwrap_err().kind.as_str(), "unanswered");
    world.set_faults(Faults { honours_tokens: false, ..Faults::default() });
    let id = launch_once(&cloud, &input).await.unwrap();
    assert_eq!(find(&cloud, &input.token).await.unwrap().unwrap().id, id);
    assert_eq!(world.live().len(), 1);
}
