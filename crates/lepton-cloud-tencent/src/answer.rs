//! The JSON of each action, and what it says in Lepton's words. Only what Lepton acts on is read.

use lepton_cloud::answer::{addresses, gibi, or_default, some, time};
use lepton_cloud::words::{
    Direction, Image, ImageId, Instance, InstanceId, InstanceState, InstanceType, InstanceTypeName, Network,
    NetworkId, Protocol, Rule, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId, Volume, VolumeId,
    VolumeState, ZoneId,
};
use lepton_model::{Cpu, Labels, Market};
use serde::Deserialize;

/// Structs of an answer. A field with `= or_default` may be absent or null.
macro_rules! items {
    ($($(#[$doc:meta])* $name:ident { $($field:ident as $key:literal: $type:ty $(= $or:literal)?),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(crate) struct $name {
            $(#[serde(rename = $key $(, default, deserialize_with = $or)?)] pub $field: $type,)+
        }
    )+};
}

items! {
    CallerIdentity { account as "AccountId": String, arn as "Arn": String }
    DescribeRegions { regions as "RegionSet": Vec<RegionItem> }
    RegionItem { id as "Region": String, name as "RegionName": String = "or_default" }
    DescribeZones { zones as "ZoneSet": Vec<ZoneItem> }
    ZoneItem { id as "Zone": String, state as "ZoneState": String }
    DescribeInstanceTypeConfigs { types as "InstanceTypeConfigSet": Vec<TypeItem> }
    /// Memory in GiB.
    TypeItem {
        name as "InstanceType": String,
        cpu as "CPU": u64,
        memory as "Memory": u64,
        gpus as "GPU": u32 = "or_default",
    }
    DescribeZoneInstanceConfigInfos { quotas as "InstanceTypeQuotaSet": Vec<QuotaItem> }
    QuotaItem {
        zone as "Zone": String,
        name as "InstanceType": String,
        charge as "InstanceChargeType": String,
        status as "Status": String = "or_default",
        price as "Price": PriceItem,
    }
    PriceItem {
        unit_price as "UnitPriceDiscount": Option<serde_json::Number> = "or_default",
        unit as "ChargeUnit": String = "or_default",
    }
    DescribeInstances { instances as "InstanceSet": Vec<InstanceItem>, total as "TotalCount": u64 }
    InstanceItem {
        id as "InstanceId": String,
        name as "InstanceName": String = "or_default",
        kind as "InstanceType": String,
        state as "InstanceState": String,
        charge as "InstanceChargeType": String = "or_default",
        placement as "Placement": Option<Placement> = "or_default",
        image as "ImageId": String = "or_default",
        network as "VirtualPrivateCloud": Option<VirtualPrivateCloud> = "or_default",
        groups as "SecurityGroupIds": Vec<String> = "or_default",
        private as "PrivateIpAddresses": Vec<String> = "or_default",
        public as "PublicIpAddresses": Vec<String> = "or_default",
        tags as "Tags": Vec<TagItem> = "or_default",
        created as "CreatedTime": String = "or_default",
    }
    Placement { zone as "Zone": String = "or_default" }
    VirtualPrivateCloud { vpc as "VpcId": String = "or_default", subnet as "SubnetId": String = "or_default" }
    TagItem { key as "Key": String, value as "Value": String = "or_default" }
    RunInstances { ids as "InstanceIdSet": Vec<String> }
    DescribeDisks { disks as "DiskSet": Vec<DiskItem>, total as "TotalCount": u64 }
    /// Size in GiB.
    DiskItem {
        id as "DiskId": String,
        name as "DiskName": String = "or_default",
        class as "DiskType": String = "or_default",
        size as "DiskSize": u64,
        state as "DiskState": String,
        placement as "Placement": Option<Placement> = "or_default",
        instance as "InstanceId": String = "or_default",
        tags as "Tags": Vec<TagItem> = "or_default",
        created as "CreateTime": String = "or_default",
    }
    CreateDisks { ids as "DiskIdSet": Vec<String> }
    DescribeSnapshots { snapshots as "SnapshotSet": Vec<SnapshotItem>, total as "TotalCount": u64 }
    SnapshotItem {
        id as "SnapshotId": String,
        disk as "DiskId": String = "or_default",
        state as "SnapshotState": String = "or_default",
        created as "CreateTime": String = "or_default",
    }
    CreateSnapshot { id as "SnapshotId": String }
    DescribeImages { images as "ImageSet": Vec<ImageItem>, total as "TotalCount": u64 }
    /// Size in GiB.
    ImageItem {
        id as "ImageId": String,
        name as "ImageName": String = "or_default",
        architecture as "Architecture": String = "or_default",
        size as "ImageSize": u64 = "or_default",
        created as "CreatedTime": String = "or_default",
    }
    DescribeVpcs { vpcs as "VpcSet": Vec<VpcItem>, total as "TotalCount": u64 }
    VpcItem { id as "VpcId": String, name as "VpcName": String = "or_default", range as "CidrBlock": String }
    DescribeSubnets { subnets as "SubnetSet": Vec<SubnetItem>, total as "TotalCount": u64 }
    SubnetItem {
        id as "SubnetId": String,
        vpc as "VpcId": String,
        zone as "Zone": String = "or_default",
        range as "CidrBlock": String,
    }
    DescribeSecurityGroups { groups as "SecurityGroupSet": Vec<GroupItem>, total as "TotalCount": u64 }
    GroupItem { id as "SecurityGroupId": String, name as "SecurityGroupName": String = "or_default" }
    CreateSecurityGroup { group as "SecurityGroup": GroupItem }
    DescribeSecurityGroupPolicies { policies as "SecurityGroupPolicySet": PolicySet }
    PolicySet { ingress as "Ingress": Vec<PolicyItem> = "or_default", egress as "Egress": Vec<PolicyItem> = "or_default" }
    PolicyItem {
        protocol as "Protocol": String = "or_default",
        port as "Port": String = "or_default",
        v4 as "CidrBlock": String = "or_default",
        v6 as "Ipv6CidrBlock": String = "or_default",
        action as "Action": String,
    }
}

fn labels(tags: Vec<TagItem>) -> Labels {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn zone(placement: Option<Placement>) -> Option<ZoneId> {
    placement.and_then(|placement| some(placement.zone, ZoneId::new))
}

impl From<TypeItem> for InstanceType {
    fn from(item: TypeItem) -> Self {
        Self {
            name: InstanceTypeName::new(item.name),
            cpu: Cpu::from_millis(item.cpu.saturating_mul(1_000)),
            memory: gibi(item.memory),
            gpus: item.gpus,
            architecture: None,
        }
    }
}

/// How a machine is rented; `None` for machines that are paid by the month.
pub(crate) fn market(charge: &str) -> Option<Market> {
    match charge {
        "POSTPAID_BY_HOUR" => Some(Market::OnDemand),
        "SPOTPAID" => Some(Market::Spot),
        _ => None,
    }
}

impl From<InstanceItem> for Instance {
    fn from(item: InstanceItem) -> Self {
        let state = match item.state.as_str() {
            "PENDING" | "STARTING" => InstanceState::Pending,
            "RUNNING" | "REBOOTING" => InstanceState::Running,
            "STOPPING" => InstanceState::Stopping,
            "STOPPED" => InstanceState::Stopped,
            "SHUTDOWN" | "TERMINATING" => InstanceState::Terminated,
            "LAUNCH_FAILED" => InstanceState::Failed,
            _ => InstanceState::Unknown,
        };
        let network =
            item.network.unwrap_or(VirtualPrivateCloud { vpc: String::new(), subnet: String::new() });
        Self {
            id: InstanceId::new(item.id),
            name: item.name,
            instance_type: InstanceTypeName::new(item.kind),
            state,
            zone: zone(item.placement),
            market: market(&item.charge).unwrap_or(Market::OnDemand),
            image: some(item.image, ImageId::new),
            network: some(network.vpc, NetworkId::new),
            subnet: some(network.subnet, SubnetId::new),
            security_groups: item.groups.into_iter().map(SecurityGroupId::new).collect(),
            private_addresses: addresses(&item.private),
            public_addresses: addresses(&item.public),
            tags: labels(item.tags),
            created_at: time(&item.created),
        }
    }
}

impl From<DiskItem> for Volume {
    fn from(item: DiskItem) -> Self {
        let state = match item.state.as_str() {
            "UNATTACHED" => VolumeState::Available,
            "ATTACHED" => VolumeState::Attached,
            "ATTACHING" | "DETACHING" | "EXPANDING" | "ROLLBACKING" => VolumeState::Pending,
            "TORECYCLE" | "DUMPING" => VolumeState::Deleted,
            _ => VolumeState::Unknown,
        };
        Self {
            id: VolumeId::new(item.id),
            name: item.name,
            class: item.class,
            size: gibi(item.size),
            state,
            zone: zone(item.placement),
            attached_to: some(item.instance, InstanceId::new),
            tags: labels(item.tags),
            created_at: time(&item.created),
        }
    }
}

impl From<SnapshotItem> for Snapshot {
    fn from(item: SnapshotItem) -> Self {
        Self {
            id: SnapshotId::new(item.id),
            volume: some(item.disk, VolumeId::new),
            ready: item.state == "NORMAL",
            created_at: time(&item.created),
        }
    }
}

impl From<ImageItem> for Image {
    fn from(item: ImageItem) -> Self {
        let architecture = match item.architecture.as_str() {
            "x86_64" => Some("amd64".to_owned()),
            "arm" | "arm64" => Some("arm64".to_owned()),
            _ => None,
        };
        Self {
            id: ImageId::new(item.id),
            name: item.name,
            architecture,
            min_disk: (item.size > 0).then(|| gibi(item.size)),
            created_at: time(&item.created),
        }
    }
}

impl From<VpcItem> for Network {
    fn from(item: VpcItem) -> Self {
        Self { id: NetworkId::new(item.id), name: item.name, ranges: vec![item.range] }
    }
}

impl From<SubnetItem> for Subnet {
    fn from(item: SubnetItem) -> Self {
        Self {
            id: SubnetId::new(item.id),
            network: NetworkId::new(item.vpc),
            zone: some(item.zone, ZoneId::new),
            range: item.range,
        }
    }
}

impl PolicySet {
    /// What is let through. What drops, and what names groups and templates instead of addresses, is left out.
    pub fn rules(self) -> Vec<Rule> {
        let directed = |direction| move |item: PolicyItem| item.rule(direction);
        let rules = self.ingress.into_iter().filter_map(directed(Direction::In));
        rules.chain(self.egress.into_iter().filter_map(directed(Direction::Out))).collect()
    }
}

impl PolicyItem {
    fn rule(self, direction: Direction) -> Option<Rule> {
        if self.action != "ACCEPT" {
            return None;
        }
        let peer = [self.v4, self.v6].into_iter().find(|peer| !peer.is_empty())?;
        let ports = || match self.port.split_once('-') {
            _ if self.port.eq_ignore_ascii_case("all") => Some((0, u16::MAX)),
            Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
            None => self.port.parse().ok().map(|port| (port, port)),
        };
        let protocol = match self.protocol.to_ascii_uppercase().as_str() {
            "TCP" => ports().map(|(from, to)| Protocol::Tcp(from, to))?,
            "UDP" => ports().map(|(from, to)| Protocol::Udp(from, to))?,
            "ICMP" | "ICMPV6" => Protocol::Icmp,
            "ALL" => Protocol::All,
            _ => return None,
        };
        Some(Rule { direction, protocol, peer })
    }
}
