//! The XML of each action, and what it says in Lepton's words. Only what Lepton acts on is read.

use lepton_cloud::answer::{addresses, gibi, some, time};
use lepton_cloud::words::{
    Direction, Image, ImageId, Instance, InstanceId, InstanceState, InstanceType, InstanceTypeName, Network,
    NetworkId, Protocol, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId,
    Volume, VolumeId, VolumeState, ZoneId,
};
use lepton_model::{Bytes, Cpu, Labels, Market};
use serde::Deserialize;

/// A list of EC2: `<item>…</item>`; `<member>` at the other services.
#[derive(Deserialize)]
pub(crate) struct List<T> {
    #[serde(rename = "item", alias = "member", default = "Vec::new")]
    pub items: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

/// Structs of an answer; a field has the name that it has in the XML.
macro_rules! items {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident as $key:literal: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(crate) struct $name {
            $(#[serde(rename = $key)] $(#[$attr])* pub $field: $type,)+
        }
    )+};
}

items! {
    GetCallerIdentity { result as "GetCallerIdentityResult": CallerIdentity }
    CallerIdentity { account as "Account": String, arn as "Arn": String }
    DescribeRegions { #[serde(default)] regions as "regionInfo": List<RegionItem> }
    RegionItem { id as "regionName": String }
    DescribeAvailabilityZones { #[serde(default)] zones as "availabilityZoneInfo": List<ZoneItem> }
    ZoneItem { id as "zoneName": String, state as "zoneState": String }
    DescribeInstanceTypes {
        #[serde(default)] types as "instanceTypeSet": List<TypeItem>,
        #[serde(default)] next as "nextToken": String,
    }
    TypeItem {
        name as "instanceType": String,
        cpu as "vCpuInfo": CpuInfo,
        memory as "memoryInfo": MemoryInfo,
        #[serde(default)] gpus as "gpuInfo": GpuInfo,
        #[serde(default)] processor as "processorInfo": ProcessorInfo,
    }
    CpuInfo { cores as "defaultVCpus": u64 }
    MemoryInfo { mebibytes as "sizeInMiB": u64 }
    GpuItem { #[serde(default)] count as "count": u32 }
    DescribeInstances {
        #[serde(default)] reservations as "reservationSet": List<Reservation>,
        #[serde(default)] next as "nextToken": String,
    }
    Reservation { #[serde(default)] instances as "instancesSet": List<InstanceItem> }
    RunInstances { #[serde(default)] instances as "instancesSet": List<InstanceItem> }
    InstanceItem {
        id as "instanceId": String,
        kind as "instanceType": String,
        state as "instanceState": StateItem,
        #[serde(default)] lifecycle as "instanceLifecycle": String,
        #[serde(default)] placement as "placement": PlacementItem,
        #[serde(default)] image as "imageId": String,
        #[serde(default)] vpc as "vpcId": String,
        #[serde(default)] subnet as "subnetId": String,
        #[serde(default)] groups as "groupSet": List<GroupId>,
        #[serde(default)] private as "privateIpAddress": String,
        #[serde(default)] public as "ipAddress": String,
        #[serde(default)] tags as "tagSet": List<TagItem>,
        #[serde(default)] launched as "launchTime": String,
    }
    StateItem { name as "name": String }
    GroupId { id as "groupId": String }
    TagItem { key as "key": String, #[serde(default)] value as "value": String }
    GetConsoleOutput { #[serde(default)] output as "output": String, #[serde(default)] at as "timestamp": String }
    DescribeVolumes {
        #[serde(default)] volumes as "volumeSet": List<VolumeItem>,
        #[serde(default)] next as "nextToken": String,
    }
    /// Size in GiB.
    VolumeItem {
        id as "volumeId": String,
        size as "size": u64,
        state as "status": String,
        #[serde(default)] class as "volumeType": String,
        #[serde(default)] zone as "availabilityZone": String,
        #[serde(default)] attachments as "attachmentSet": List<AttachmentItem>,
        #[serde(default)] tags as "tagSet": List<TagItem>,
        #[serde(default)] created as "createTime": String,
    }
    AttachmentItem { instance as "instanceId": String, #[serde(default)] device as "device": String }
    CreateVolume { id as "volumeId": String }
    DescribeSnapshots {
        #[serde(default)] snapshots as "snapshotSet": List<SnapshotItem>,
        #[serde(default)] next as "nextToken": String,
    }
    SnapshotItem {
        id as "snapshotId": String,
        #[serde(default)] volume as "volumeId": String,
        #[serde(default)] state as "status": String,
        #[serde(default)] started as "startTime": String,
    }
    CreateSnapshot { id as "snapshotId": String }
    DescribeImages {
        #[serde(default)] images as "imagesSet": List<ImageItem>,
        #[serde(default)] next as "nextToken": String,
    }
    ImageItem {
        id as "imageId": String,
        #[serde(default)] name as "name": String,
        #[serde(default)] architecture as "architecture": String,
        #[serde(default)] root_device as "rootDeviceName": String,
        #[serde(default)] created as "creationDate": String,
    }
    DescribeVpcs { #[serde(default)] vpcs as "vpcSet": List<VpcItem>, #[serde(default)] next as "nextToken": String }
    VpcItem {
        id as "vpcId": String,
        range as "cidrBlock": String,
        #[serde(default)] tags as "tagSet": List<TagItem>,
    }
    DescribeSubnets {
        #[serde(default)] subnets as "subnetSet": List<SubnetItem>,
        #[serde(default)] next as "nextToken": String,
    }
    SubnetItem {
        id as "subnetId": String,
        vpc as "vpcId": String,
        range as "cidrBlock": String,
        #[serde(default)] zone as "availabilityZone": String,
    }
    DescribeSecurityGroups {
        #[serde(default)] groups as "securityGroupInfo": List<GroupItem>,
        #[serde(default)] next as "nextToken": String,
    }
    GroupItem {
        id as "groupId": String,
        #[serde(default)] name as "groupName": String,
        #[serde(default)] vpc as "vpcId": String,
        #[serde(default)] ingress as "ipPermissions": List<PermissionItem>,
        #[serde(default)] egress as "ipPermissionsEgress": List<PermissionItem>,
    }
    PermissionItem {
        protocol as "ipProtocol": String,
        #[serde(default)] from as "fromPort": Option<i32>,
        #[serde(default)] to as "toPort": Option<i32>,
        #[serde(default)] v4 as "ipRanges": List<RangeV4>,
        #[serde(default)] v6 as "ipv6Ranges": List<RangeV6>,
    }
    RangeV4 { range as "cidrIp": String }
    RangeV6 { range as "cidrIpv6": String }
    CreateSecurityGroup { id as "groupId": String }
    DescribeTargetGroups { result as "DescribeTargetGroupsResult": TargetGroups }
    TargetGroups {
        #[serde(default)] groups as "TargetGroups": List<TargetGroupItem>,
        #[serde(default)] next as "NextMarker": String,
    }
    TargetGroupItem { arn as "TargetGroupArn": String, name as "TargetGroupName": String }
    DescribeTargetHealth { result as "DescribeTargetHealthResult": TargetHealth }
    TargetHealth { #[serde(default)] targets as "TargetHealthDescriptions": List<TargetHealthItem> }
    TargetHealthItem { target as "Target": TargetItem }
    TargetItem { id as "Id": String, #[serde(default)] port as "Port": Option<u16> }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct GpuInfo {
    gpus: List<GpuItem>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProcessorInfo {
    supported_architectures: List<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PlacementItem {
    availability_zone: String,
}

/// Tag that holds what people call a thing.
pub(crate) const NAME_TAG: &str = "Name";

/// The name and the other tags.
fn labels(tags: List<TagItem>) -> (String, Labels) {
    let mut labels: Labels = tags.items.into_iter().map(|tag| (tag.key, tag.value)).collect();
    (labels.remove(NAME_TAG).unwrap_or_default(), labels)
}

/// AWS's word for an architecture, as everybody else writes it.
fn architecture(word: &str) -> Option<String> {
    match word {
        "x86_64" => Some("amd64".to_owned()),
        "arm64" => Some("arm64".to_owned()),
        _ => None,
    }
}

impl From<TypeItem> for InstanceType {
    fn from(item: TypeItem) -> Self {
        Self {
            name: InstanceTypeName::new(item.name),
            cpu: Cpu::from_millis(item.cpu.cores.saturating_mul(1_000)),
            memory: Bytes::mebi(item.memory.mebibytes.min(1 << 40)),
            gpus: item.gpus.gpus.items.iter().fold(0, |sum, gpu| sum.saturating_add(gpu.count)),
            architecture: item
                .processor
                .supported_architectures
                .items
                .iter()
                .find_map(|word| architecture(word)),
        }
    }
}

impl From<InstanceItem> for Instance {
    fn from(item: InstanceItem) -> Self {
        let state = match item.state.name.as_str() {
            "pending" => InstanceState::Pending,
            "running" => InstanceState::Running,
            "stopping" => InstanceState::Stopping,
            "stopped" => InstanceState::Stopped,
            "shutting-down" | "terminated" => InstanceState::Terminated,
            _ => InstanceState::Unknown,
        };
        let (name, tags) = labels(item.tags);
        Self {
            id: InstanceId::new(item.id),
            name,
            instance_type: InstanceTypeName::new(item.kind),
            state,
            zone: some(item.placement.availability_zone, ZoneId::new),
            market: if item.lifecycle == "spot" { Market::Spot } else { Market::OnDemand },
            image: some(item.image, ImageId::new),
            network: some(item.vpc, NetworkId::new),
            subnet: some(item.subnet, SubnetId::new),
            security_groups: item
                .groups
                .items
                .into_iter()
                .map(|group| SecurityGroupId::new(group.id))
                .collect(),
            private_addresses: addresses([&item.private]),
            public_addresses: addresses([&item.public]),
            tags,
            created_at: time(&item.launched),
        }
    }
}

impl From<VolumeItem> for Volume {
    fn from(item: VolumeItem) -> Self {
        let state = match item.state.as_str() {
            "creating" => VolumeState::Pending,
            "available" => VolumeState::Available,
            "in-use" => VolumeState::Attached,
            "deleting" | "deleted" => VolumeState::Deleted,
            "error" => VolumeState::Failed,
            _ => VolumeState::Unknown,
        };
        let (name, tags) = labels(item.tags);
        let holder = item.attachments.items.into_iter().next();
        Self {
            id: VolumeId::new(item.id),
            name,
            class: item.class,
            size: gibi(item.size),
            state,
            zone: some(item.zone, ZoneId::new),
            attached_to: holder.map(|holder| InstanceId::new(holder.instance)),
            tags,
            created_at: time(&item.created),
        }
    }
}

impl From<SnapshotItem> for Snapshot {
    fn from(item: SnapshotItem) -> Self {
        Self {
            id: SnapshotId::new(item.id),
            volume: some(item.volume, VolumeId::new),
            ready: item.state == "completed",
            created_at: time(&item.started),
        }
    }
}

impl From<ImageItem> for Image {
    fn from(item: ImageItem) -> Self {
        Self {
            id: ImageId::new(item.id),
            name: item.name,
            architecture: architecture(&item.architecture),
            min_disk: None,
            created_at: time(&item.created),
        }
    }
}

impl From<VpcItem> for Network {
    fn from(item: VpcItem) -> Self {
        let (name, _) = labels(item.tags);
        Self { id: NetworkId::new(item.id), name, ranges: vec![item.range] }
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

impl From<GroupItem> for SecurityGroup {
    fn from(item: GroupItem) -> Self {
        let directed = |direction| move |item: PermissionItem| item.rules(direction);
        let ingress = item.ingress.items.into_iter().flat_map(directed(Direction::In));
        let egress = item.egress.items.into_iter().flat_map(directed(Direction::Out));
        Self {
            id: SecurityGroupId::new(item.id),
            name: item.name,
            network: some(item.vpc, NetworkId::new),
            rules: ingress.chain(egress).collect(),
        }
    }
}

impl PermissionItem {
    /// One rule for each range. Permissions for other groups and prefix lists name none.
    fn rules(self, direction: Direction) -> Vec<Rule> {
        let port = |port: Option<i32>, all: u16| match port {
            None | Some(-1) => Some(all),
            Some(port) => u16::try_from(port).ok(),
        };
        let ports = || Some((port(self.from, 0)?, port(self.to, u16::MAX)?));
        let protocol = match self.protocol.as_str() {
            "tcp" | "6" => ports().map(|(from, to)| Protocol::Tcp(from, to)),
            "udp" | "17" => ports().map(|(from, to)| Protocol::Udp(from, to)),
            "icmp" | "1" | "icmpv6" | "58" => Some(Protocol::Icmp),
            "-1" => Some(Protocol::All),
            _ => None,
        };
        let v4 = self.v4.items.into_iter().map(|range| range.range);
        let peers = v4.chain(self.v6.items.into_iter().map(|range| range.range));
        protocol
            .map_or_else(Vec::new, |protocol| peers.map(|peer| Rule { direction, protocol, peer }).collect())
    }
}
