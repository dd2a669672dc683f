//! The suite that every adapter passes unchanged, against its cloud or an oracle of it.
//!
//! ```ignore
//! #[tokio::test]
//! async fn conforms() {
//!     let report = lepton_cloud::conformance::run(&trial()).await;
//!     assert_eq!(report.skipped, [] as [&str; 0]);
//! }
//! ```
//!
//! A case whose operations are not declared is skipped and reported as such. Each case gives back what it rented; the last
//! one looks whether anything is left. It panics at the first rule that is broken, as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod account;
mod ask;
mod disks;
mod machines;
mod networks;
pub mod wiretap;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lepton_model::{Labels, Name};

use crate::words::{
    ImageId, Instance, InstanceFilter, InstanceId, InstanceState, InstanceTypeName, LaunchInput, SubnetId,
    ZoneId,
};
use crate::{Cloud, CloudResult, Operation, Power, every_page, launch_once};
use lepton_model::Market;

pub use ask::{ask, ask_for_everything};

/// What is tried, and with what.
pub struct Trial {
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// The same cloud with a wrong secret, where the oracle checks signatures.
    pub stranger: Option<Arc<dyn Cloud>>,
    /// An estate that nothing else uses.
    pub estate: Name,
    /// Where machines are launched.
    pub zone: ZoneId,
    /// A subnet there.
    pub subnet: SubnetId,
    /// What they start from.
    pub image: ImageId,
    /// A small type, and another that it can be resized to.
    pub types: [InstanceTypeName; 2],
    /// Whether types and images that do not exist are refused. Some emulators accept everything.
    pub checks_references: bool,
    /// Longest wait for a machine or disk to change its state.
    pub patience: Duration,
}

/// What was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConformanceReport {
    /// Cases that passed.
    pub passed: Vec<&'static str>,
    /// Cases that need what the cloud does not declare.
    pub skipped: Vec<&'static str>,
}

type Case = for<'a> fn(&'a Trial) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($($module:ident: $($name:ident [$($needs:ident)*],)+;)+) => {
        const CASES: &[(&str, &[Operation], Case)] = &[$($((
            concat!(stringify!($module), "::", stringify!($name)),
            &[$(Operation::$needs),*],
            |trial| Box::pin($module::$name(trial)),
        ),)+)+];
    };
}

cases! {
    account:
        undeclared_operations_refuse [],
        an_identity_has_an_account [Identity],
        a_stranger_is_unauthorized [Identity],
        this_region_is_among_the_regions [Regions],
        machines_can_be_launched_in_a_zone [Zones],
        types_have_cores_and_memory [InstanceTypes],
        prices_are_of_what_was_asked [Prices],
        quotas_have_limits [Quotas],
        images_can_be_found [Images],;
    machines:
        a_machine_lives_and_dies [Launch Instances Terminate],
        one_token_one_machine [Launch Instances Terminate],
        stop_and_start [Launch Instances Stop Start Reboot Terminate],
        tags_are_added [Launch Instances Tag Terminate],
        a_stopped_machine_is_resized [Launch Instances Stop Resize Terminate],
        a_console_can_be_read [Launch Instances ConsoleOutput Terminate],
        lists_come_in_pages [Launch Instances Terminate],
        unknown_machines_are_not_found [Start],
        unknown_types_and_images_are_refused [Launch],
        measurements_are_in_order [Launch Instances Measurements Terminate],;
    disks:
        a_disk_lives_and_dies [Volumes CreateVolume DeleteVolume],
        a_disk_is_attached_and_detached [Launch Instances Terminate Volumes CreateVolume AttachVolume DetachVolume DeleteVolume],
        a_snapshot_lives_and_dies [Volumes CreateVolume DeleteVolume Snapshots CreateSnapshot DeleteSnapshot],;
    networks:
        subnets_belong_to_networks [Networks Subnets],
        a_group_lets_through_what_it_says [Networks SecurityGroups CreateSecurityGroup Allow DeleteSecurityGroup],
        isolation_can_be_undone [Launch Instances Terminate SecurityGroups CreateSecurityGroup DeleteSecurityGroup SetSecurityGroups],
        targets_come_and_go [Launch Instances Terminate Pools Register Deregister],;
    machines:
        nothing_is_left [Instances],;
}

/// Tries every rule.
///
/// # Panics
/// At the first rule that is broken.
pub async fn run(trial: &Trial) -> ConformanceReport {
    let mut report = ConformanceReport::default();
    let can = trial.cloud.capabilities();
    for (name, needs, case) in CASES {
        if needs.iter().all(|operation| can.contains(*operation)) {
            eprintln!("conformance: {name}");
            tokio::time::timeout(trial.patience * 5, case(trial)).await.expect(name);
            report.passed.push(*name);
        } else {
            report.skipped.push(*name);
        }
    }
    report
}

impl Trial {
    /// A machine that nothing else has launched.
    fn wanted(&self) -> LaunchInput {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let label = format!("{}-{}-{number}", self.estate, std::process::id());
        LaunchInput {
            token: label.parse().unwrap(),
            estate: self.estate.clone(),
            name: Name::new(label).unwrap(),
            instance_type: self.types[0].clone(),
            market: Market::OnDemand,
            image: self.image.clone(),
            zone: Some(self.zone.clone()),
            subnet: Some(self.subnet.clone()),
            security_groups: Vec::new(),
            root_disk: None,
            user_data: None,
            tags: labels(&[("purpose", "conformance")]),
        }
    }

    /// A new machine that runs.
    async fn machine(&self) -> Instance {
        let id = launch_once(&*self.cloud, &self.wanted()).await.unwrap();
        self.until(&id, InstanceState::Running).await
    }

    async fn show(&self, id: &InstanceId) -> Option<Instance> {
        let filter = InstanceFilter::id(id);
        let shown = every_page(|page| self.cloud.instances(&filter, page)).await;
        match shown {
            Ok(shown) => {
                assert!(shown.iter().all(|instance| &instance.id == id), "asked for {id}: {shown:?}");
                shown.into_iter().next()
            }
            // Some clouds refuse ids that they have forgotten.
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{id}: {error}"),
        }
    }

    async fn until(&self, id: &InstanceId, state: InstanceState) -> Instance {
        let what = format!("{id} is {state:?}");
        self.wait(&what, async || self.show(id).await.filter(|instance| instance.state == state)).await
    }

    /// Gives a machine back and waits until it is gone.
    async fn give_back(&self, id: &InstanceId) {
        self.cloud.power(id, Power::Terminate).await.unwrap();
        let gone = async || self.show(id).await.is_none_or(|instance| !instance.is_live()).then_some(());
        self.wait(&format!("{id} is gone"), gone).await;
    }

    /// Asks until there is an answer.
    async fn wait<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(self.patience, asking).await;
        waited.unwrap_or_else(|_| panic!("not within {:?}: {what}", self.patience))
    }
}

/// The word of an outcome.
fn word<T>(outcome: &CloudResult<T>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok")
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// Panics when something is there twice.
fn distinct<T: Ord + std::fmt::Debug>(things: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    for thing in things {
        assert!(!seen.contains(&thing), "{thing:?} is there twice");
        seen.insert(thing);
    }
    seen
}
