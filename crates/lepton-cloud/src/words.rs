//! The words in which every cloud is spoken of. Each has the fields that Lepton acts on; ids are the cloud's own.

mod disk;
mod id;
mod instance;
mod network;
mod place;

pub use disk::{CreateVolumeInput, Snapshot, Volume, VolumeState};
pub use id::{
    ImageId, InstanceId, InstanceTypeName, LaunchToken, NetworkId, PoolId, RegionId, SecurityGroupId,
    SnapshotId, SubnetId, TokenError, VolumeId, ZoneId,
};
pub use instance::{
    ConsoleOutput, Image, ImageFilter, Instance, InstanceFilter, InstanceState, LaunchInput, Measure,
    Measurement, MeasurementsInput,
};
pub use network::{
    CreateSecurityGroupInput, Direction, Network, Pool, Protocol, Rule, SecurityGroup, Subnet, Target,
};
pub use place::{Identity, InstanceType, Price, Quota, Region, Zone};
