//! Networks, what they let through, and pools behind load balancers.

use serde::{Deserialize, Serialize};

use super::{InstanceId, NetworkId, PoolId, SecurityGroupId, SubnetId, ZoneId};

/// A network (VPC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Its name for people; may be empty.
    pub name: String,
    /// Its address ranges, CIDR.
    pub ranges: Vec<String>,
}

/// A part of a network (vSwitch).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its network.
    pub network: NetworkId,
    /// Where, on clouds whose subnets stand in one zone.
    pub zone: Option<ZoneId>,
    /// Its address range, CIDR.
    pub range: String,
}

/// Which way traffic goes, seen from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the machine.
    In,
    /// From the machine.
    Out,
}

/// What is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP, ports from–to.
    Tcp(u16, u16),
    /// UDP, ports from–to.
    Udp(u16, u16),
    /// ICMP, all types.
    Icmp,
    /// Everything.
    All,
}

/// One thing that a security group lets through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// What.
    pub protocol: Protocol,
    /// From or to where: CIDR, IPv4 or IPv6.
    pub peer: String,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its name.
    pub name: String,
    /// Its network, on clouds where it belongs to one.
    pub network: Option<NetworkId>,
    /// What it lets through. Rules that name something else than addresses are left out.
    pub rules: Vec<Rule>,
}

/// The security group that is wanted. It lets through its rules and nothing else, also where the cloud's new groups let
/// everything out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSecurityGroupInput {
    /// Its name.
    pub name: String,
    /// Its network.
    pub network: NetworkId,
    /// What it lets through.
    pub rules: Vec<Rule>,
}

/// A pool of targets behind a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// Who gets its traffic.
    pub targets: Vec<Target>,
}

/// A machine's port that gets traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The machine.
    pub instance: InstanceId,
    /// Its port.
    pub port: u16,
}
