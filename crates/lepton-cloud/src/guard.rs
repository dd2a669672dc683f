//! Everything that is done around a call, once for all clouds.
//!
//! ```text
//! Guarded ─► can it? ─► dry run? ─► wait for a turn ─► call, with a limit of time ─► count, log
//!                                        ▲                                   │
//!                                        └── back off, within the budget ◄───┘ throttled, transient, unanswered
//! ```

mod budget;
mod metrics;
mod pace;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lepton_model::Labels;
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::time::Instant;

use crate::operation::Effect;
use crate::page::{Page, PageToken};
use crate::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Identity, Image, ImageFilter, Instance,
    InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Measurement, MeasurementsInput,
    Network, Pool, PoolId, Price, Quota, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot,
    SnapshotId, Subnet, Target, Volume, VolumeId, Zone,
};
use crate::{Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Power};

pub use budget::RetryBudget;
pub use metrics::CloudMetrics;
pub use pace::{Pace, PaceConfig};

/// How calls are guarded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuardConfig {
    /// Longest time for one attempt.
    pub timeout: Duration,
    /// Most attempts of one call.
    pub attempts: u32,
    /// Longest pause after the first failed attempt; it doubles with each further one. The pause is a random part of it, so
    /// that many callers do not come back at once.
    pub backoff: Duration,
    /// Longest pause of all.
    pub longest_backoff: Duration,
    /// How fast calls may follow each other.
    pub pace: PaceConfig,
    /// Refuse all that changes anything, after saying what would be done.
    pub dry_run: bool,
    /// Where the pauses' randomness begins.
    pub seed: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_millis(200),
            longest_backoff: Duration::from_secs(20),
            pace: PaceConfig::default(),
            dry_run: false,
            seed: 0,
        }
    }
}

/// A call under way, as the methods of [`Cloud`] return it.
type Calling<'a, T> = Pin<Box<dyn Future<Output = CloudResult<T>> + Send + 'a>>;

/// A cloud whose calls are paced, bounded, retried, counted and logged.
///
/// What is logged of a call is its name, its region, how long it took and how it ended: never what was in it.
pub struct Guarded {
    inner: Arc<dyn Cloud>,
    config: GuardConfig,
    pace: Pace,
    budget: RetryBudget,
    metrics: Arc<CloudMetrics>,
    random: Mutex<Xoshiro256PlusPlus>,
}

impl Guarded {
    /// Guards a cloud.
    pub fn new(inner: Arc<dyn Cloud>, config: GuardConfig, metrics: Arc<CloudMetrics>) -> Self {
        Self {
            inner,
            config,
            pace: Pace::new(config.pace),
            budget: RetryBudget::default(),
            metrics,
            random: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(config.seed)),
        }
    }

    async fn run<'a, T>(
        &self,
        operation: Operation,
        call: impl Fn() -> Calling<'a, T> + Sync,
    ) -> CloudResult<T> {
        if !self.inner.capabilities().contains(operation) {
            return Err(CloudError::unsupported(operation));
        }
        if self.config.dry_run && operation.effect() != Effect::Read {
            return Err(CloudError::new(ErrorKind::DryRun(operation), "not sent: this is a dry run"));
        }
        for attempt in 1.. {
            self.pace.turn().await;
            let outcome = self.attempt(operation, attempt, call()).await;
            let error = match outcome {
                Ok(value) => {
                    self.pace.accepted();
                    self.budget.earn();
                    return Ok(value);
                }
                Err(error) => error,
            };
            // The pace answers for throttled calls; the budget is against clouds that fail.
            let throttled = if let ErrorKind::Throttled { retry_after } = error.kind {
                self.pace.throttled(retry_after);
                true
            } else {
                false
            };
            let again = attempt < self.config.attempts && may_repeat(operation, &error.kind);
            if !again || !(throttled || self.budget.spend()) {
                return Err(error);
            }
            tokio::time::sleep(self.pause(attempt, &error.kind)).await;
        }
        Err(CloudError::new(ErrorKind::Transient, "no attempts are allowed"))
    }

    async fn attempt<T>(&self, operation: Operation, attempt: u32, call: Calling<'_, T>) -> CloudResult<T> {
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(self.config.timeout, call).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(CloudError::new(ErrorKind::Unanswered, format!("no answer in {:?}", self.config.timeout)))
            }
        };
        let took = begun.elapsed();
        let (provider, region) = (self.inner.provider(), self.inner.region());
        let word = outcome.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok");
        self.metrics.count(provider, region, operation, word, took);
        match &outcome {
            Ok(_) => tracing::debug!(provider, %region, %operation, attempt, ?took, "cloud call"),
            Err(error) => {
                tracing::debug!(provider, %region, %operation, attempt, ?took, %error, "cloud call")
            }
        }
        outcome
    }

    /// A random part of a span that doubles, or what the cloud asked for and a little more.
    fn pause(&self, attempt: u32, kind: &ErrorKind) -> Duration {
        let doublings = (attempt - 1).min(16);
        let longest = self.config.longest_backoff;
        let span = self.config.backoff.saturating_mul(1 << doublings).min(longest);
        let random = span.mul_f64(self.random.lock().random_range(0.0..=1.0));
        match kind {
            ErrorKind::Throttled { retry_after: Some(asked) } => (*asked).min(longest * 4) + random,
            _ => random,
        }
    }
}

/// Whether trying again can help and cannot harm.
fn may_repeat(operation: Operation, kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Throttled { .. } | ErrorKind::Transient => true,
        // Perhaps it took effect: only what may happen twice is sent twice.
        ErrorKind::Unanswered => operation.effect() != Effect::Once,
        _ => false,
    }
}

/// Each method goes through `run` and is otherwise the inner cloud's.
macro_rules! guarded {
    ($($method:ident($($arg:ident: $type:ty),*) -> $answer:ty = $operation:expr;)+) => {
        #[async_trait]
        impl Cloud for Guarded {
            fn provider(&self) -> &'static str {
                self.inner.provider()
            }

            fn region(&self) -> &RegionId {
                self.inner.region()
            }

            fn capabilities(&self) -> Capabilities {
                self.inner.capabilities()
            }

            $(async fn $method(&self, $($arg: $type),*) -> CloudResult<$answer> {
                // `Clone` of a reference is the reference: what is cloned is page tokens.
                self.run($operation, || self.inner.$method($(Clone::clone(&$arg)),*)).await
            })+
        }
    };
}

guarded! {
    identity() -> Identity = Operation::Identity;
    regions() -> Vec<Region> = Operation::Regions;
    zones() -> Vec<Zone> = Operation::Zones;
    instance_types(page: Option<PageToken>) -> Page<InstanceType> = Operation::InstanceTypes;
    prices(types: &[InstanceTypeName]) -> Vec<Price> = Operation::Prices;
    quotas() -> Vec<Quota> = Operation::Quotas;
    instances(filter: &InstanceFilter, page: Option<PageToken>) -> Page<Instance> = Operation::Instances;
    launch(input: &LaunchInput) -> InstanceId = Operation::Launch;
    power(id: &InstanceId, power: Power) -> () = power.operation();
    resize(id: &InstanceId, to: &InstanceTypeName) -> () = Operation::Resize;
    tag(id: &InstanceId, tags: &Labels) -> () = Operation::Tag;
    console_output(id: &InstanceId) -> ConsoleOutput = Operation::ConsoleOutput;
    volumes(page: Option<PageToken>) -> Page<Volume> = Operation::Volumes;
    create_volume(input: &CreateVolumeInput) -> VolumeId = Operation::CreateVolume;
    attach_volume(id: &VolumeId, to: &InstanceId) -> () = Operation::AttachVolume;
    detach_volume(id: &VolumeId, from: &InstanceId) -> () = Operation::DetachVolume;
    delete_volume(id: &VolumeId) -> () = Operation::DeleteVolume;
    snapshots(page: Option<PageToken>) -> Page<Snapshot> = Operation::Snapshots;
    create_snapshot(of: &VolumeId, name: &str) -> SnapshotId = Operation::CreateSnapshot;
    delete_snapshot(id: &SnapshotId) -> () = Operation::DeleteSnapshot;
    images(filter: &ImageFilter, page: Option<PageToken>) -> Page<Image> = Operation::Images;
    networks() -> Vec<Network> = Operation::Networks;
    subnets() -> Vec<Subnet> = Operation::Subnets;
    security_groups() -> Vec<SecurityGroup> = Operation::SecurityGroups;
    create_security_group(input: &CreateSecurityGroupInput) -> SecurityGroupId = Operation::CreateSecurityGroup;
    allow(group: &SecurityGroupId, rules: &[Rule]) -> () = Operation::Allow;
    delete_security_group(id: &SecurityGroupId) -> () = Operation::DeleteSecurityGroup;
    set_security_groups(id: &InstanceId, groups: &[SecurityGroupId]) -> () = Operation::SetSecurityGroups;
    pools() -> Vec<Pool> = Operation::Pools;
    register(pool: &PoolId, target: &Target) -> () = Operation::Register;
    deregister(pool: &PoolId, target: &Target) -> () = Operation::Deregister;
    measurements(input: &MeasurementsInput) -> Vec<Measurement> = Operation::Measurements;
}
