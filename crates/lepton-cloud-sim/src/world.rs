//! The simulated world: its regions, its clock, its luck, and what a test may do to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lepton_cloud::words::{Instance, InstanceId, RegionId};
use lepton_model::Timestamp;
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::time::Instant;

use crate::adapter::SimCloud;
use crate::fate::Faults;
use crate::machine::NOTICE;
use crate::region::Region;

/// How the world is made.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// All chance comes from here.
    pub seed: u64,
    /// Names of the regions; each has three zones.
    pub regions: Vec<String>,
    /// When it begins.
    pub begin: Timestamp,
    /// What goes wrong.
    pub faults: Faults,
    /// Small machines that a zone holds at most of one type; larger ones accordingly fewer.
    pub stock: u64,
    /// Cores that the account may have in one region.
    pub core_quota: u64,
    /// How long a spot machine lives on average.
    pub spot_lifetime: Duration,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            regions: ["east", "west", "north"].map(str::to_owned).to_vec(),
            begin: Timestamp::from_millis(1_767_225_600_000),
            faults: Faults::default(),
            stock: 1_000,
            core_quota: 2_000,
            spot_lifetime: Duration::from_secs(12 * 3_600),
        }
    }
}

pub(crate) struct State {
    pub config: SimConfig,
    pub regions: BTreeMap<String, Region>,
    pub random: Xoshiro256PlusPlus,
}

/// A simulated world. Clones are the same world.
#[derive(Clone)]
pub struct SimWorld {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) begun: Instant,
}

impl SimWorld {
    /// Makes a world. Its clock starts now.
    pub fn new(config: SimConfig) -> Self {
        let regions = config.regions.iter().map(|name| (name.clone(), Region::new(name))).collect();
        let random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
        let state = State { config, regions, random };
        Self { state: Arc::new(Mutex::new(state)), begun: Instant::now() }
    }

    /// The cloud as one account sees it in a region; `None` if there is no such region.
    pub fn connect(&self, region: &str) -> Option<SimCloud> {
        let known = self.state.lock().regions.contains_key(region);
        known.then(|| SimCloud::new(self.clone(), RegionId::new(region), true))
    }

    /// The same with credentials that are no good.
    pub fn connect_as_stranger(&self, region: &str) -> Option<SimCloud> {
        let known = self.state.lock().regions.contains_key(region);
        known.then(|| SimCloud::new(self.clone(), RegionId::new(region), false))
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The world's time.
    pub fn now(&self) -> Timestamp {
        self.state.lock().config.begin.after(self.elapsed())
    }

    /// From now on these go wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().config.faults = faults;
    }

    /// Cuts a region off, or brings it back. Its machines run on meanwhile.
    pub fn set_dark(&self, region: &str, dark: bool) {
        if let Some(region) = self.state.lock().regions.get_mut(region) {
            region.dark = dark;
        }
    }

    /// The truth: every machine that is paid for now, whatever lists show.
    pub fn live(&self) -> Vec<Instance> {
        let now = self.elapsed();
        let state = self.state.lock();
        let machines = state.regions.values().flat_map(|region| region.machines.values());
        machines.filter(|machine| machine.is_live(now)).filter_map(|machine| machine.show(now)).collect()
    }

    /// When a spot machine will be taken back, told two minutes before, as the machine itself can read it.
    pub fn interruption_notice(&self, id: &InstanceId) -> Option<Timestamp> {
        let now = self.elapsed();
        let state = self.state.lock();
        let machine = state.regions.values().find_map(|region| region.machines.get(id))?;
        let at = machine.interrupted.filter(|at| now + NOTICE >= *at && now < *at)?;
        Some(state.config.begin.after(at))
    }
}
