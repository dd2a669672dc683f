//! Where one can rent, what there is to rent, what it costs and how much of it one may have.

use lepton_model::{Bytes, Cpu, Money};
use serde::{Deserialize, Serialize};

use super::{InstanceTypeName, RegionId, ZoneId};
use lepton_model::Market;

/// Whose credentials these are, as the cloud sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account that pays.
    pub account: String,
    /// The user or role in it.
    pub principal: String,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its id.
    pub id: RegionId,
    /// Its name for people; the id where the cloud has no other.
    pub name: String,
}

/// A failure domain of a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Whether one can rent there now.
    pub available: bool,
}

/// A kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceType {
    /// Its name.
    pub name: InstanceTypeName,
    /// Virtual cores.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Bytes,
    /// Whole accelerators.
    pub gpus: u32,
    /// `amd64` or `arm64`, where the cloud says so.
    pub architecture: Option<String>,
}

/// What a machine costs per hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Which kind.
    pub instance_type: InstanceTypeName,
    /// Where, when it differs by zone.
    pub zone: Option<ZoneId>,
    /// How it is rented.
    pub market: Market,
    /// Per hour, without disks and traffic.
    pub per_hour: Money,
}

/// How much of something the account may have in this region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The cloud's name of it.
    pub name: String,
    /// The most there may be.
    pub limit: u64,
    /// What there is, where the cloud says so.
    pub used: Option<u64>,
}
