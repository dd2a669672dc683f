//! The simulated cloud behind the seam.

use std::time::Duration;

use async_trait::async_trait;
use lepton_cloud::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Identity, Image, ImageFilter, ImageId,
    Instance, InstanceFilter, InstanceId, InstanceState, InstanceType, InstanceTypeName, LaunchInput,
    Measure, Measurement, MeasurementsInput, Network, Pool, PoolId, Price, Quota, Region as RegionWord,
    RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, Target, Volume, VolumeId,
    Zone,
};
use lepton_cloud::{
    Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Page, PageToken, Power,
};
use lepton_model::Market;
use lepton_model::{Bytes, Labels, Timestamp};

use crate::fate::Fate;
use crate::market;
use crate::region::{IMAGES, Region};
use crate::world::{SimConfig, SimWorld};

/// Time until a caller learns that no answer comes.
const LOST: Duration = Duration::from_secs(10);

/// Most items on a page.
const PAGE: usize = 100;

/// One account in one region of a [`SimWorld`].
pub struct SimCloud {
    world: SimWorld,
    region: RegionId,
    known: bool,
}

/// What a call may look at and change.
struct Scene<'a> {
    region: &'a mut Region,
    config: &'a SimConfig,
    random: &'a mut rand_xoshiro::Xoshiro256PlusPlus,
    now: Duration,
}

impl SimCloud {
    pub(crate) fn new(world: SimWorld, region: RegionId, known: bool) -> Self {
        Self { world, region, known }
    }

    /// Carries out a call, or what its fate makes of it.
    async fn call<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Scene<'_>) -> CloudResult<T>,
    ) -> CloudResult<T> {
        let (latency, fate) = {
            let state = &mut *self.world.state.lock();
            state.config.faults.draw(operation, &mut state.random)
        };
        tokio::time::sleep(latency / 2).await;
        match fate {
            Fate::Transient => return Err(CloudError::new(ErrorKind::Transient, "try again")),
            Fate::RequestLost => {
                tokio::time::sleep(LOST).await;
                return Err(CloudError::new(ErrorKind::Unanswered, "no answer"));
            }
            Fate::AnswerLost | Fate::TornPage | Fate::Answered => {}
        }
        let outcome = self.act(act)?;
        match fate {
            Fate::AnswerLost => {
                tokio::time::sleep(LOST).await;
                Err(CloudError::new(ErrorKind::Unanswered, "no answer"))
            }
            Fate::TornPage => Err(CloudError::garbled("it ends in the middle")),
            Fate::Answered | Fate::Transient | Fate::RequestLost => {
                tokio::time::sleep(latency / 2).await;
                Ok(outcome)
            }
        }
    }

    fn act<T>(&self, act: impl FnOnce(&mut Scene<'_>) -> CloudResult<T>) -> CloudResult<T> {
        let now = self.world.elapsed();
        let state = &mut *self.world.state.lock();
        let Some(region) = state.regions.get_mut(self.region.as_str()) else {
            return Err(CloudError::new(ErrorKind::NotFound, format!("there is no region {}", self.region)));
        };
        if region.dark {
            return Err(CloudError::new(ErrorKind::Transient, "cannot connect"));
        }
        if let Some(rate) = state.config.faults.calls_per_second {
            let (turns, counted) = region.turns.unwrap_or((rate, now));
            let turns = (turns + (now - counted).as_secs_f64() * rate).min(rate.max(1.0));
            let granted = turns >= 1.0;
            region.turns = Some((if granted { turns - 1.0 } else { turns }, now));
            if !granted {
                let retry_after = Some(Duration::from_secs(1));
                return Err(CloudError::new(ErrorKind::Throttled { retry_after }, "too many calls"));
            }
        }
        if !self.known {
            return Err(CloudError::new(ErrorKind::Unauthorized, "the signature is wrong"));
        }
        act(&mut Scene { region, config: &state.config, random: &mut state.random, now })
    }
}

/// A page of what is in order, after the token's item.
fn page<T: Clone>(all: Vec<T>, size: Option<u32>, page: Option<PageToken>) -> CloudResult<Page<T>> {
    let from = usize::try_from(PageToken::number(page, 0)?).unwrap_or(usize::MAX);
    let size = size.map_or(PAGE, |size| (size as usize).clamp(1, PAGE));
    let items: Vec<T> = all.iter().skip(from).take(size).cloned().collect();
    let next = from.saturating_add(items.len());
    Ok(Page::by_number(items, next as u64, next < all.len()))
}

#[async_trait]
impl Cloud for SimCloud {
    fn provider(&self) -> &'static str {
        "sim"
    }

    fn region(&self) -> &RegionId {
        &self.region
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    async fn identity(&self) -> CloudResult<Identity> {
        let identity = || Identity { account: "sim".to_owned(), principal: "owner".to_owned() };
        self.call(Operation::Identity, |_| Ok(identity())).await
    }

    async fn regions(&self) -> CloudResult<Vec<RegionWord>> {
        let region = |name: &String| RegionWord { id: RegionId::new(name.clone()), name: name.clone() };
        self.call(Operation::Regions, |scene| Ok(scene.config.regions.iter().map(region).collect())).await
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        let zone = |id| Zone { id, available: true };
        self.call(Operation::Zones, |scene| Ok(scene.region.zones().into_iter().map(zone).collect())).await
    }

    async fn instance_types(&self, next: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        self.call(Operation::InstanceTypes, |_| page(market::instance_types(), None, next)).await
    }

    async fn prices(&self, types: &[InstanceTypeName]) -> CloudResult<Vec<Price>> {
        self.call(Operation::Prices, |scene| {
            let (seed, name) = (scene.config.seed, scene.region.name.as_str());
            let mut prices = Vec::new();
            for kind in types.iter().filter_map(market::instance_type) {
                let per_hour = market::on_demand(seed, name, &kind);
                let instance_type = kind.name.clone();
                prices.push(Price { instance_type, zone: None, market: Market::OnDemand, per_hour });
                for zone in scene.region.zones() {
                    let per_hour = market::spot(seed, name, zone.as_str(), &kind, scene.now);
                    let instance_type = kind.name.clone();
                    prices.push(Price { instance_type, zone: Some(zone), market: Market::Spot, per_hour });
                }
            }
            Ok(prices)
        })
        .await
    }

    async fn quotas(&self) -> CloudResult<Vec<Quota>> {
        self.call(Operation::Quotas, |scene| {
            let live = scene.region.machines.values().filter(|machine| machine.is_live(scene.now));
            let kinds = live.filter_map(|machine| market::instance_type(&machine.shown.instance_type));
            let used = Some(kinds.map(|kind| kind.cpu.as_millis() / 1_000).sum());
            Ok(vec![Quota { name: "cores".to_owned(), limit: scene.config.core_quota, used }])
        })
        .await
    }

    async fn instances(
        &self,
        filter: &InstanceFilter,
        next: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        self.call(Operation::Instances, |scene| {
            let lag = scene.config.faults.list_lag;
            let listed = scene.region.machines.values().filter(|machine| machine.launched + lag <= scene.now);
            let shown = listed.filter_map(|machine| machine.show(scene.now));
            page(shown.filter(|instance| filter.matches(instance)).collect(), filter.page_size, next)
        })
        .await
    }

    async fn launch(&self, input: &LaunchInput) -> CloudResult<InstanceId> {
        self.call(Operation::Launch, |scene| {
            scene.region.launch(input, scene.now, scene.config, scene.random)
        })
        .await
    }

    async fn power(&self, id: &InstanceId, power: Power) -> CloudResult<()> {
        self.call(power.operation(), |scene| scene.region.power(id, power, scene.now)).await
    }

    async fn resize(&self, id: &InstanceId, to: &InstanceTypeName) -> CloudResult<()> {
        self.call(Operation::Resize, |scene| {
            if market::instance_type(to).is_none() {
                let field = Some("instance_type".into());
                return Err(CloudError::new(ErrorKind::Invalid { field }, format!("there is no type {to}")));
            }
            scene.region.change(id, scene.now, true)?.instance_type = to.clone();
            Ok(())
        })
        .await
    }

    async fn tag(&self, id: &InstanceId, tags: &Labels) -> CloudResult<()> {
        self.call(Operation::Tag, |scene| {
            scene.region.change(id, scene.now, false)?.tags.extend(tags.clone());
            Ok(())
        })
        .await
    }

    async fn console_output(&self, id: &InstanceId) -> CloudResult<ConsoleOutput> {
        self.call(Operation::ConsoleOutput, |scene| {
            let name = scene.region.change(id, scene.now, false)?.name.clone();
            let running = scene.region.machines.get(id).map(|machine| machine.state(scene.now));
            let text = match running {
                Some(InstanceState::Running) => format!("{name} login: "),
                _ => String::new(),
            };
            Ok(ConsoleOutput { text, at: Some(scene.config.begin.after(scene.now)) })
        })
        .await
    }

    async fn volumes(&self, next: Option<PageToken>) -> CloudResult<Page<Volume>> {
        self.call(Operation::Volumes, |scene| {
            page(scene.region.volumes.values().cloned().collect(), None, next)
        })
        .await
    }

    async fn create_volume(&self, input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        self.call(Operation::CreateVolume, |scene| scene.region.create_volume(input, scene.now, scene.config))
            .await
    }

    async fn attach_volume(&self, id: &VolumeId, to: &InstanceId) -> CloudResult<()> {
        self.call(Operation::AttachVolume, |scene| scene.region.attach(id, to, scene.now)).await
    }

    async fn detach_volume(&self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        self.call(Operation::DetachVolume, |scene| scene.region.detach(id, from)).await
    }

    async fn delete_volume(&self, id: &VolumeId) -> CloudResult<()> {
        self.call(Operation::DeleteVolume, |scene| scene.region.delete_volume(id)).await
    }

    async fn snapshots(&self, next: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        self.call(Operation::Snapshots, |scene| {
            page(scene.region.snapshots.values().cloned().collect(), None, next)
        })
        .await
    }

    async fn create_snapshot(&self, of: &VolumeId, _name: &str) -> CloudResult<SnapshotId> {
        self.call(Operation::CreateSnapshot, |scene| {
            scene.region.create_snapshot(of, scene.now, scene.config)
        })
        .await
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> CloudResult<()> {
        self.call(Operation::DeleteSnapshot, |scene| match scene.region.snapshots.remove(id) {
            Some(_) => Ok(()),
            None => Err(CloudError::new(ErrorKind::NotFound, format!("there is no snapshot {id}"))),
        })
        .await
    }

    async fn images(&self, filter: &ImageFilter, next: Option<PageToken>) -> CloudResult<Page<Image>> {
        let image = |name: &&str| Image {
            id: ImageId::new(*name),
            name: name.trim_start_matches("img-").to_owned(),
            architecture: Some("amd64".to_owned()),
            min_disk: Some(Bytes::mebi(10 << 10)),
            created_at: None,
        };
        let matches = |image: &Image| filter.name.as_ref().is_none_or(|part| image.name.contains(part));
        self.call(Operation::Images, |_| page(IMAGES.iter().map(image).filter(matches).collect(), None, next))
            .await
    }

    async fn networks(&self) -> CloudResult<Vec<Network>> {
        self.call(Operation::Networks, |scene| Ok(vec![scene.region.network()])).await
    }

    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        self.call(Operation::Subnets, |scene| Ok(scene.region.subnets())).await
    }

    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        self.call(Operation::SecurityGroups, |scene| Ok(scene.region.groups.values().cloned().collect()))
            .await
    }

    async fn create_security_group(&self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        self.call(Operation::CreateSecurityGroup, |scene| scene.region.create_group(input)).await
    }

    async fn allow(&self, group: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        self.call(Operation::Allow, |scene| {
            scene.region.check_groups(std::slice::from_ref(group))?;
            if let Some(group) = scene.region.groups.get_mut(group) {
                let new =
                    rules.iter().filter(|rule| !group.rules.contains(rule)).cloned().collect::<Vec<_>>();
                group.rules.extend(new);
            }
            Ok(())
        })
        .await
    }

    async fn delete_security_group(&self, id: &SecurityGroupId) -> CloudResult<()> {
        self.call(Operation::DeleteSecurityGroup, |scene| scene.region.delete_group(id, scene.now)).await
    }

    async fn set_security_groups(&self, id: &InstanceId, groups: &[SecurityGroupId]) -> CloudResult<()> {
        self.call(Operation::SetSecurityGroups, |scene| {
            scene.region.check_groups(groups)?;
            scene.region.change(id, scene.now, false)?.security_groups = groups.to_vec();
            Ok(())
        })
        .await
    }

    async fn pools(&self) -> CloudResult<Vec<Pool>> {
        self.call(Operation::Pools, |scene| {
            let pools = scene.region.pools.iter();
            let pool = |(id, targets): (&PoolId, &std::collections::BTreeSet<Target>)| Pool {
                id: id.clone(),
                name: id.to_string(),
                targets: targets.iter().cloned().collect(),
            };
            Ok(pools.map(pool).collect())
        })
        .await
    }

    async fn register(&self, pool: &PoolId, target: &Target) -> CloudResult<()> {
        self.call(Operation::Register, |scene| {
            scene.region.change(&target.instance, scene.now, false)?;
            scene.region.pool(pool)?.insert(target.clone());
            Ok(())
        })
        .await
    }

    async fn deregister(&self, pool: &PoolId, target: &Target) -> CloudResult<()> {
        self.call(Operation::Deregister, |scene| {
            scene.region.pool(pool)?.remove(target);
            Ok(())
        })
        .await
    }

    async fn measurements(&self, input: &MeasurementsInput) -> CloudResult<Vec<Measurement>> {
        self.call(Operation::Measurements, |scene| {
            let created = scene.region.change(&input.instance, scene.now, false)?.created_at;
            let from = input.from.max(created.unwrap_or(input.from));
            let to = input.to.min(scene.config.begin.after(scene.now));
            let mut at = from;
            let mut values = Vec::new();
            while at <= to && values.len() < 1_440 {
                values.push(Measurement { at, value: load(scene.config.seed, input, at) });
                at = at.after(input.step.max(Duration::from_secs(60)));
            }
            Ok(values)
        })
        .await
    }
}

/// A day's wave with a little noise, in the measure's unit.
fn load(seed: u64, input: &MeasurementsInput, at: Timestamp) -> f64 {
    let minute = (at.as_millis() / 60_000).to_string();
    let noise = (market::hash(seed, &[input.instance.as_str(), &minute]) % 1_000) as f64 / 1_000.0;
    let day = (at.as_millis().rem_euclid(86_400_000)) as f64 / 86_400_000.0;
    let part = 0.4 + 0.3 * (day * std::f64::consts::TAU).sin() + 0.1 * noise;
    match input.measure {
        Measure::CpuPercent => part * 100.0,
        Measure::NetworkReceive | Measure::NetworkTransmit => part * 1e7,
    }
}
