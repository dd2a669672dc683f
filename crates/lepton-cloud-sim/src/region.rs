//! A region: what is in it, and the rules by which that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lepton_cloud::words::{
    CreateSecurityGroupInput, CreateVolumeInput, Instance, InstanceId, InstanceState, LaunchInput, Network,
    NetworkId, PoolId, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId, Target,
    Volume, VolumeId, VolumeState, ZoneId,
};
use lepton_cloud::{CloudError, CloudResult, ErrorKind, Power};
use lepton_model::Market;
use rand::{Rng, RngExt as _};

use crate::machine::{Machine, Told};
use crate::market;
use crate::world::SimConfig;

/// Images that every region has.
pub(crate) const IMAGES: [&str; 2] = ["img-debian-13", "img-ubuntu-26.04"];

const ZONES: [&str; 3] = ["a", "b", "c"];

pub(crate) struct Region {
    pub name: String,
    pub dark: bool,
    pub machines: BTreeMap<InstanceId, Machine>,
    pub volumes: BTreeMap<VolumeId, Volume>,
    pub snapshots: BTreeMap<SnapshotId, Snapshot>,
    pub groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    pub pools: BTreeMap<PoolId, BTreeSet<Target>>,
    /// Turns at hand before throttling, and when they were counted.
    pub turns: Option<(f64, Duration)>,
    made: u64,
}

fn refused<T>(kind: ErrorKind, message: impl AsRef<str>) -> CloudResult<T> {
    Err(CloudError::new(kind, message))
}

fn missing<T>(what: impl std::fmt::Display) -> CloudResult<T> {
    refused(ErrorKind::NotFound, format!("there is no {what}"))
}

fn invalid<T>(field: &str, message: String) -> CloudResult<T> {
    refused(ErrorKind::Invalid { field: Some(field.into()) }, message)
}

impl Region {
    pub fn new(name: &str) -> Self {
        let mut region = Self {
            name: name.to_owned(),
            dark: false,
            machines: BTreeMap::new(),
            volumes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            groups: BTreeMap::new(),
            pools: [(PoolId::new(format!("pool-{name}")), BTreeSet::new())].into(),
            turns: None,
            made: 0,
        };
        let id = SecurityGroupId::new(format!("sg-{name}-default"));
        let network = Some(region.network().id);
        let default =
            SecurityGroup { id: id.clone(), name: "default".to_owned(), network, rules: Vec::new() };
        region.groups.insert(id, default);
        region
    }

    pub fn zones(&self) -> Vec<ZoneId> {
        ZONES.iter().map(|zone| ZoneId::new(format!("{}-{zone}", self.name))).collect()
    }

    pub fn network(&self) -> Network {
        let id = NetworkId::new(format!("vpc-{}", self.name));
        Network { id, name: "default".to_owned(), ranges: vec!["10.0.0.0/16".to_owned()] }
    }

    pub fn subnets(&self) -> Vec<Subnet> {
        let subnet = |(number, zone): (usize, ZoneId)| Subnet {
            id: SubnetId::new(format!("subnet-{zone}")),
            network: self.network().id,
            zone: Some(zone),
            range: format!("10.0.{}.0/18", number * 64),
        };
        self.zones().into_iter().enumerate().map(subnet).collect()
    }

    /// An id that nothing else has.
    fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}-{:08x}", self.name, self.made)
    }

    pub fn launch(
        &mut self,
        input: &LaunchInput,
        now: Duration,
        config: &SimConfig,
        random: &mut impl Rng,
    ) -> CloudResult<InstanceId> {
        let known = self.machines.values().find(|machine| machine.token == input.token);
        if let Some(machine) = known.filter(|_| config.faults.honours_tokens) {
            return Ok(machine.shown.id.clone());
        }
        let Some(kind) = market::instance_type(&input.instance_type) else {
            return invalid("instance_type", format!("there is no type {}", input.instance_type));
        };
        if !IMAGES.contains(&input.image.as_str()) {
            return missing(format_args!("image {}", input.image));
        }
        let subnets = self.subnets();
        let subnet = match (&input.subnet, &input.zone) {
            (Some(id), _) => subnets.iter().find(|subnet| &subnet.id == id),
            (None, zone) => subnets.iter().find(|subnet| zone.is_none() || &subnet.zone == zone),
        };
        let Some(subnet) = subnet else {
            return invalid("subnet", "there is no such subnet".to_owned());
        };
        if input.zone.is_some() && subnet.zone != input.zone {
            return invalid("zone", format!("subnet {} is in another zone", subnet.id));
        }
        let mut groups = input.security_groups.clone();
        if groups.is_empty() {
            groups.push(SecurityGroupId::new(format!("sg-{}-default", self.name)));
        }
        self.check_groups(&groups)?;

        let live =
            || self.machines.values().filter(|machine| machine.is_live(now)).map(|machine| &machine.shown);
        let cores = |name| market::instance_type(name).map_or(0, |kind| kind.cpu.as_millis() / 1_000);
        let used: u64 = live().map(|machine| cores(&machine.instance_type)).sum();
        if used + kind.cpu.as_millis() / 1_000 > config.core_quota {
            let limit = config.core_quota;
            return refused(
                ErrorKind::Quota { limit: Some(limit) },
                format!("the account may have {limit} cores"),
            );
        }
        let zone = subnet.zone.clone().unwrap_or_else(|| ZoneId::new(self.name.clone()));
        let held = live().filter(|m| m.zone.as_ref() == Some(&zone) && m.instance_type == kind.name).count();
        if held as u64 >= market::stock(config.seed, zone.as_str(), &kind, config.stock) {
            return refused(ErrorKind::OutOfStock, format!("zone {zone} has no more {}", kind.name));
        }

        let id = InstanceId::new(self.new_id("i"));
        let address = Ipv4Addr::from(0x0a00_0000_u32.wrapping_add(u32::try_from(self.made).unwrap_or(0)));
        let shown = Instance {
            id: id.clone(),
            name: input.name.to_string(),
            instance_type: kind.name,
            state: InstanceState::Pending,
            zone: Some(zone.clone()),
            market: input.market,
            image: Some(input.image.clone()),
            network: Some(subnet.network.clone()),
            subnet: Some(subnet.id.clone()),
            security_groups: groups,
            private_addresses: vec![IpAddr::V4(address)],
            public_addresses: Vec::new(),
            tags: input.all_tags(),
            created_at: Some(config.begin.after(now)),
        };
        // Exponential: a machine that has lived long is no more likely to be taken.
        let lifetime = || config.spot_lifetime.mul_f64(-f64::ln(1.0 - random.random_range(0.0..1.0)));
        let interrupted = (input.market == Market::Spot).then(lifetime).map(|lifetime| now + lifetime);
        let machine =
            Machine { shown, token: input.token.clone(), told: Told::Start(now), launched: now, interrupted };
        self.machines.insert(id.clone(), machine);
        Ok(id)
    }

    /// The machine, if it is still there to be changed.
    fn machine(&mut self, id: &InstanceId, now: Duration) -> CloudResult<&mut Machine> {
        match self.machines.get_mut(id).filter(|machine| machine.is_live(now)) {
            Some(machine) => Ok(machine),
            None => missing(format_args!("machine {id}")),
        }
    }

    pub fn power(&mut self, id: &InstanceId, power: Power, now: Duration) -> CloudResult<()> {
        if power == Power::Terminate {
            // A machine that is gone already is well, as long as it is remembered.
            let known = self.machines.get(id).is_some_and(|machine| machine.show(now).is_some());
            if !known {
                return missing(format_args!("machine {id}"));
            }
        }
        if let Ok(machine) = self.machine(id, now) {
            let state = machine.state(now);
            match power {
                Power::Start if state == InstanceState::Stopping => {
                    return refused(ErrorKind::Conflict, format!("machine {id} is being stopped"));
                }
                Power::Start if state == InstanceState::Stopped => machine.told = Told::Start(now),
                Power::Stop if matches!(state, InstanceState::Pending | InstanceState::Running) => {
                    machine.told = Told::Stop(now);
                }
                Power::Reboot if state != InstanceState::Running => {
                    return refused(ErrorKind::Conflict, format!("machine {id} does not run"));
                }
                Power::Terminate => {
                    machine.told = Told::Terminate(now);
                    self.release(id);
                }
                Power::Start | Power::Stop | Power::Reboot => {}
            }
            return Ok(());
        }
        if power == Power::Terminate { Ok(()) } else { missing(format_args!("machine {id}")) }
    }

    /// Frees what a machine that is gone held.
    fn release(&mut self, id: &InstanceId) {
        for volume in self.volumes.values_mut().filter(|volume| volume.attached_to.as_ref() == Some(id)) {
            (volume.attached_to, volume.state) = (None, VolumeState::Available);
        }
        for targets in self.pools.values_mut() {
            targets.retain(|target| &target.instance != id);
        }
    }

    /// A machine's description, to be changed; `stopped` if only then.
    pub fn change(&mut self, id: &InstanceId, now: Duration, stopped: bool) -> CloudResult<&mut Instance> {
        let machine = self.machine(id, now)?;
        if stopped && machine.state(now) != InstanceState::Stopped {
            return refused(ErrorKind::Conflict, format!("machine {id} is not stopped"));
        }
        Ok(&mut machine.shown)
    }

    pub fn check_groups(&self, groups: &[SecurityGroupId]) -> CloudResult<()> {
        match groups.iter().find(|group| !self.groups.contains_key(*group)) {
            Some(unknown) => missing(format_args!("security group {unknown}")),
            None if groups.is_empty() => invalid("security_groups", "one at least".to_owned()),
            None => Ok(()),
        }
    }

    pub fn create_volume(
        &mut self,
        input: &CreateVolumeInput,
        now: Duration,
        config: &SimConfig,
    ) -> CloudResult<VolumeId> {
        if !self.zones().contains(&input.zone) {
            return invalid("zone", format!("there is no zone {}", input.zone));
        }
        let id = VolumeId::new(self.new_id("vol"));
        let volume = Volume {
            id: id.clone(),
            name: input.name.clone(),
            class: input.class.clone().unwrap_or_else(|| "ssd".to_owned()),
            size: input.size,
            state: VolumeState::Available,
            zone: Some(input.zone.clone()),
            attached_to: None,
            tags: input.tags.clone(),
            created_at: Some(config.begin.after(now)),
        };
        self.volumes.insert(id.clone(), volume);
        Ok(id)
    }

    fn volume(&mut self, id: &VolumeId) -> CloudResult<&mut Volume> {
        match self.volumes.get_mut(id) {
            Some(volume) => Ok(volume),
            None => missing(format_args!("disk {id}")),
        }
    }

    pub fn attach(&mut self, id: &VolumeId, to: &InstanceId, now: Duration) -> CloudResult<()> {
        let zone = self.machine(to, now)?.shown.zone.clone();
        let volume = self.volume(id)?;
        match &volume.attached_to {
            Some(holder) if holder == to => Ok(()),
            Some(holder) => refused(ErrorKind::Conflict, format!("disk {id} is held by {holder}")),
            None if volume.zone != zone => invalid("volume", format!("disk {id} is in another zone")),
            None => {
                (volume.attached_to, volume.state) = (Some(to.clone()), VolumeState::Attached);
                Ok(())
            }
        }
    }

    pub fn detach(&mut self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        let volume = self.volume(id)?;
        match &volume.attached_to {
            Some(holder) if holder != from => {
                refused(ErrorKind::Conflict, format!("disk {id} is held by {holder}"))
            }
            _ => {
                (volume.attached_to, volume.state) = (None, VolumeState::Available);
                Ok(())
            }
        }
    }

    pub fn delete_volume(&mut self, id: &VolumeId) -> CloudResult<()> {
        if let Some(holder) = &self.volume(id)?.attached_to {
            return refused(ErrorKind::Conflict, format!("disk {id} is held by {holder}"));
        }
        self.volumes.remove(id);
        Ok(())
    }

    pub fn create_snapshot(
        &mut self,
        of: &VolumeId,
        now: Duration,
        config: &SimConfig,
    ) -> CloudResult<SnapshotId> {
        self.volume(of)?;
        let id = SnapshotId::new(self.new_id("snap"));
        let (volume, created_at) = (Some(of.clone()), Some(config.begin.after(now)));
        self.snapshots.insert(id.clone(), Snapshot { id: id.clone(), volume, ready: true, created_at });
        Ok(id)
    }

    pub fn create_group(&mut self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        if input.network != self.network().id {
            return missing(format_args!("network {}", input.network));
        }
        if self.groups.values().any(|group| group.name == input.name) {
            return refused(ErrorKind::Conflict, format!("there is a group {} already", input.name));
        }
        let id = SecurityGroupId::new(self.new_id("sg"));
        let (name, network) = (input.name.clone(), Some(input.network.clone()));
        let group = SecurityGroup { id: id.clone(), name, network, rules: input.rules.clone() };
        self.groups.insert(id.clone(), group);
        Ok(id)
    }

    pub fn delete_group(&mut self, id: &SecurityGroupId, now: Duration) -> CloudResult<()> {
        let mut live = self.machines.values().filter(|machine| machine.is_live(now));
        if let Some(machine) = live.find(|machine| machine.shown.security_groups.contains(id)) {
            return refused(ErrorKind::Conflict, format!("machine {} is in group {id}", machine.shown.id));
        }
        match self.groups.remove(id) {
            Some(_) => Ok(()),
            None => missing(format_args!("security group {id}")),
        }
    }

    pub fn pool(&mut self, id: &PoolId) -> CloudResult<&mut BTreeSet<Target>> {
        match self.pools.get_mut(id) {
            Some(pool) => Ok(pool),
            None => missing(format_args!("pool {id}")),
        }
    }
}
