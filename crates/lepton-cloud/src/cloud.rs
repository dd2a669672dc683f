//! The seam: what a cloud can be asked. Callers hold an `Arc<dyn Cloud>` and never see whose API is behind it.

use async_trait::async_trait;
use lepton_model::{Bytes, Labels};

use crate::page::{Page, PageToken};
use crate::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Identity, Image, ImageFilter, Instance,
    InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Measurement, MeasurementsInput,
    Network, Pool, PoolId, Price, Quota, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot,
    SnapshotId, Subnet, Target, Volume, VolumeId, Zone,
};
use crate::{Capabilities, CloudError, CloudResult, Operation};

/// What is done to a machine that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Start it; already running is well.
    Start,
    /// Stop it and keep its disks; already stopped is well.
    Stop,
    /// Restart it.
    Reboot,
    /// Give it back with its first disk; already given back is well, as long as the cloud remembers it.
    Terminate,
}

impl Power {
    /// Its operation.
    pub const fn operation(self) -> Operation {
        match self {
            Self::Start => Operation::Start,
            Self::Stop => Operation::Stop,
            Self::Reboot => Operation::Reboot,
            Self::Terminate => Operation::Terminate,
        }
    }
}

/// One account in one region of one cloud.
///
/// A method answers once the cloud has accepted the call; what changes slowly is seen by listing. An adapter overrides the
/// methods that it declares in [`capabilities`](Cloud::capabilities) and leaves the rest, which refuse. It does not retry,
/// wait for its turn or count: [`Guarded`](crate::Guarded) does, once for all.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Which cloud: `aws`, `aliyun`, …
    fn provider(&self) -> &'static str;

    /// Which region.
    fn region(&self) -> &RegionId;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whose credentials these are. Fails with `Unauthorized` when they are no good.
    async fn identity(&self) -> CloudResult<Identity> {
        refuse(Operation::Identity)
    }

    /// Where else the account can rent; this region is among them.
    async fn regions(&self) -> CloudResult<Vec<Region>> {
        refuse(Operation::Regions)
    }

    /// The failure domains of this region.
    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        refuse(Operation::Zones)
    }

    /// Kinds of machine that can be rented in this region.
    async fn instance_types(&self, _page: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        refuse(Operation::InstanceTypes)
    }

    /// Prices of these kinds, at most 100 of them. Kinds without a price are left out.
    async fn prices(&self, _types: &[InstanceTypeName]) -> CloudResult<Vec<Price>> {
        refuse(Operation::Prices)
    }

    /// How much the account may have.
    async fn quotas(&self) -> CloudResult<Vec<Quota>> {
        refuse(Operation::Quotas)
    }

    /// Machines, a page at a time. Those that are gone may be shown for a while, as `Terminated`.
    async fn instances(
        &self,
        _filter: &InstanceFilter,
        _page: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        refuse(Operation::Instances)
    }

    /// Rents one machine, which carries [`LaunchInput::all_tags`] from its first moment. The same token again, on clouds that
    /// know client tokens, rents none. Use [`launch_once`](crate::launch_once), which does not depend on that.
    async fn launch(&self, _input: &LaunchInput) -> CloudResult<InstanceId> {
        refuse(Operation::Launch)
    }

    /// Starts, stops, restarts or gives back a machine.
    async fn power(&self, _id: &InstanceId, power: Power) -> CloudResult<()> {
        refuse(power.operation())
    }

    /// Gives a stopped machine another type.
    async fn resize(&self, _id: &InstanceId, _to: &InstanceTypeName) -> CloudResult<()> {
        refuse(Operation::Resize)
    }

    /// Sets these tags of a machine; others stay.
    async fn tag(&self, _id: &InstanceId, _tags: &Labels) -> CloudResult<()> {
        refuse(Operation::Tag)
    }

    /// What the machine wrote to its console; empty when there is nothing yet.
    async fn console_output(&self, _id: &InstanceId) -> CloudResult<ConsoleOutput> {
        refuse(Operation::ConsoleOutput)
    }

    /// Disks, machines' first disks among them.
    async fn volumes(&self, _page: Option<PageToken>) -> CloudResult<Page<Volume>> {
        refuse(Operation::Volumes)
    }

    /// Makes a disk.
    async fn create_volume(&self, _input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        refuse(Operation::CreateVolume)
    }

    /// Gives a free disk to a machine in its zone.
    async fn attach_volume(&self, _id: &VolumeId, _to: &InstanceId) -> CloudResult<()> {
        refuse(Operation::AttachVolume)
    }

    /// Takes a disk from the machine that holds it.
    async fn detach_volume(&self, _id: &VolumeId, _from: &InstanceId) -> CloudResult<()> {
        refuse(Operation::DetachVolume)
    }

    /// Deletes a free disk.
    async fn delete_volume(&self, _id: &VolumeId) -> CloudResult<()> {
        refuse(Operation::DeleteVolume)
    }

    /// The account's own snapshots.
    async fn snapshots(&self, _page: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        refuse(Operation::Snapshots)
    }

    /// Begins a snapshot of a disk.
    async fn create_snapshot(&self, _of: &VolumeId, _name: &str) -> CloudResult<SnapshotId> {
        refuse(Operation::CreateSnapshot)
    }

    /// Deletes a snapshot.
    async fn delete_snapshot(&self, _id: &SnapshotId) -> CloudResult<()> {
        refuse(Operation::DeleteSnapshot)
    }

    /// Images that the account can start from.
    async fn images(&self, _filter: &ImageFilter, _page: Option<PageToken>) -> CloudResult<Page<Image>> {
        refuse(Operation::Images)
    }

    /// Networks.
    async fn networks(&self) -> CloudResult<Vec<Network>> {
        refuse(Operation::Networks)
    }

    /// Subnets of all networks.
    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        refuse(Operation::Subnets)
    }

    /// Security groups with their rules.
    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        refuse(Operation::SecurityGroups)
    }

    /// Makes a security group that lets nothing through but its rules.
    async fn create_security_group(&self, _input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        refuse(Operation::CreateSecurityGroup)
    }

    /// Lets more through; a rule that is there already is well.
    async fn allow(&self, _group: &SecurityGroupId, _rules: &[Rule]) -> CloudResult<()> {
        refuse(Operation::Allow)
    }

    /// Deletes a security group that no machine is in.
    async fn delete_security_group(&self, _id: &SecurityGroupId) -> CloudResult<()> {
        refuse(Operation::DeleteSecurityGroup)
    }

    /// Puts a machine into exactly these security groups, one at least.
    async fn set_security_groups(&self, _id: &InstanceId, _groups: &[SecurityGroupId]) -> CloudResult<()> {
        refuse(Operation::SetSecurityGroups)
    }

    /// Load balancers' pools.
    async fn pools(&self) -> CloudResult<Vec<Pool>> {
        refuse(Operation::Pools)
    }

    /// Lets a pool send traffic to a target.
    async fn register(&self, _pool: &PoolId, _target: &Target) -> CloudResult<()> {
        refuse(Operation::Register)
    }

    /// Lets a pool send no more traffic to a target.
    async fn deregister(&self, _pool: &PoolId, _target: &Target) -> CloudResult<()> {
        refuse(Operation::Deregister)
    }

    /// What the cloud measured of a machine from outside, oldest first.
    async fn measurements(&self, _input: &MeasurementsInput) -> CloudResult<Vec<Measurement>> {
        refuse(Operation::Measurements)
    }
}

fn refuse<T>(operation: Operation) -> CloudResult<T> {
    Err(CloudError::unsupported(operation))
}

/// Whole GiB, rounded up: what clouds sell disks in.
pub fn gibibytes(size: Bytes) -> u64 {
    size.get().div_ceil(1 << 30)
}
