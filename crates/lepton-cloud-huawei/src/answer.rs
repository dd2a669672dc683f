//! The JSON of each call, and what it says in Lepton's words. Only what Lepton acts on is read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lepton_cloud::answer::{gibi, or_default, some, time};
use lepton_cloud::words::{
    Direction, Image, ImageId, Instance, InstanceId, InstanceState, InstanceType, InstanceTypeName, Network,
    NetworkId, Protocol, Quota, Rule, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId, Volume,
    VolumeId, VolumeState, ZoneId,
};
use lepton_model::{Bytes, Cpu, Labels, Market};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Projects {
    pub projects: Vec<ProjectItem>,
}

#[derive(Deserialize)]
pub(crate) struct ProjectItem {
    pub id: String,
    pub domain_id: String,
}

#[derive(Deserialize)]
pub(crate) struct Regions {
    pub regions: Vec<RegionItem>,
}

#[derive(Deserialize)]
pub(crate) struct RegionItem {
    pub id: String,
    #[serde(default)]
    pub locales: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct Zones {
    #[serde(rename = "availabilityZoneInfo")]
    pub zones: Vec<ZoneItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ZoneItem {
    pub zone_name: String,
    pub zone_state: ZoneState,
}

#[derive(Deserialize)]
pub(crate) struct ZoneState {
    pub available: bool,
}

#[derive(Deserialize)]
pub(crate) struct Flavors {
    pub flavors: Vec<FlavorItem>,
}

#[derive(Deserialize)]
pub(crate) struct FlavorItem {
    id: String,
    /// A number as text.
    vcpus: String,
    /// MiB.
    ram: u64,
    #[serde(default, deserialize_with = "or_default")]
    os_extra_specs: BTreeMap<String, String>,
}

impl From<FlavorItem> for InstanceType {
    fn from(item: FlavorItem) -> Self {
        let spec = |name: &str| item.os_extra_specs.get(name).map(String::as_str);
        // `nvidia-t4:passthrough:1`
        let gpus = spec("pci_passthrough:gpu_specs").and_then(|text| text.rsplit(':').next()?.parse().ok());
        let arm = spec("ecs:instance_architecture").is_some_and(|word| word.starts_with("arm"));
        Self {
            name: InstanceTypeName::new(item.id.clone()),
            cpu: Cpu::from_millis(item.vcpus.parse::<u64>().unwrap_or(0).saturating_mul(1_000)),
            memory: Bytes::mebi(item.ram.min(1 << 40)),
            gpus: gpus.unwrap_or(0),
            architecture: Some(if arm { "arm64" } else { "amd64" }.to_owned()),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Limits {
    absolute: AbsoluteLimits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AbsoluteLimits {
    max_total_instances: u64,
    total_instances_used: u64,
    max_total_cores: u64,
    total_cores_used: u64,
}

impl Limits {
    pub fn quotas(self) -> Vec<Quota> {
        let all = self.absolute;
        let quota = |name: &str, limit, used| Quota { name: name.to_owned(), limit, used: Some(used) };
        vec![
            quota("instances", all.max_total_instances, all.total_instances_used),
            quota("cores", all.max_total_cores, all.total_cores_used),
        ]
    }
}

#[derive(Deserialize)]
pub(crate) struct Servers {
    pub servers: Vec<ServerItem>,
    #[serde(default, deserialize_with = "or_default")]
    pub count: u64,
}

#[derive(Deserialize)]
pub(crate) struct ServerItem {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    /// Empty for ids that were asked for and do not exist.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    #[serde(rename = "OS-EXT-STS:task_state", default, deserialize_with = "or_default")]
    task: String,
    #[serde(default, deserialize_with = "or_default")]
    flavor: Reference,
    #[serde(default, deserialize_with = "or_default")]
    image: Reference,
    #[serde(rename = "OS-EXT-AZ:availability_zone", default, deserialize_with = "or_default")]
    zone: String,
    #[serde(default, deserialize_with = "or_default")]
    metadata: ServerMetadata,
    #[serde(default, deserialize_with = "or_default")]
    addresses: BTreeMap<String, Vec<AddressItem>>,
    #[serde(default, deserialize_with = "or_default")]
    network_interfaces: Vec<InterfaceItem>,
    #[serde(default, deserialize_with = "or_default")]
    security_groups: Vec<Reference>,
    /// `key=value`
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    created: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerMetadata {
    vpc_id: String,
    /// `0` by the hour, `1` by the month, `2` spot.
    charging_mode: String,
}

#[derive(Deserialize)]
struct AddressItem {
    addr: String,
    #[serde(rename = "OS-EXT-IPS:type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct InterfaceItem {
    #[serde(default, deserialize_with = "or_default")]
    subnet_id: String,
}

impl From<ServerItem> for Instance {
    fn from(item: ServerItem) -> Self {
        let state = match (item.status.as_str(), item.task.as_str()) {
            ("ACTIVE", "powering-off") => InstanceState::Stopping,
            ("ACTIVE", "deleting") | ("SHUTOFF", "deleting") | ("DELETED" | "SOFT_DELETED", _) => {
                InstanceState::Terminated
            }
            ("SHUTOFF", "powering-on") | ("BUILD", _) => InstanceState::Pending,
            ("ACTIVE" | "REBOOT" | "HARD_REBOOT", _) => InstanceState::Running,
            ("SHUTOFF" | "RESIZE" | "VERIFY_RESIZE", _) => InstanceState::Stopped,
            ("ERROR", _) => InstanceState::Failed,
            _ => InstanceState::Unknown,
        };
        let (mut private, mut public) = (Vec::new(), Vec::new());
        for address in item.addresses.into_values().flatten() {
            let list = if address.kind == "floating" { &mut public } else { &mut private };
            list.extend(address.addr.parse::<IpAddr>());
        }
        let tags = item.tags.iter().filter_map(|tag| tag.split_once('='));
        let subnet = item.network_interfaces.into_iter().map(|interface| interface.subnet_id).next();
        Self {
            id: InstanceId::new(item.id),
            name: item.name,
            instance_type: InstanceTypeName::new(item.flavor.id),
            state,
            zone: some(item.zone, ZoneId::new),
            market: if item.metadata.charging_mode == "2" { Market::Spot } else { Market::OnDemand },
            image: some(item.image.id, ImageId::new),
            network: some(item.metadata.vpc_id, NetworkId::new),
            subnet: subnet.and_then(|id| some(id, SubnetId::new)),
            security_groups: item
                .security_groups
                .into_iter()
                .map(|group| SecurityGroupId::new(group.id))
                .collect(),
            private_addresses: private,
            public_addresses: public,
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Labels>(),
            created_at: time(&item.created),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct CreateServers {
    pub job_id: String,
    #[serde(rename = "serverIds", default)]
    pub ids: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Job {
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub error_code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub fail_reason: String,
}

#[derive(Deserialize)]
pub(crate) struct Console {
    #[serde(default, deserialize_with = "or_default")]
    pub output: String,
}

#[derive(Deserialize)]
pub(crate) struct Volumes {
    pub volumes: Vec<VolumeItem>,
    pub count: u64,
}

#[derive(Deserialize)]
pub(crate) struct VolumeItem {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    /// GiB.
    size: u64,
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    volume_type: String,
    #[serde(default, deserialize_with = "or_default")]
    availability_zone: String,
    #[serde(default, deserialize_with = "or_default")]
    attachments: Vec<AttachmentItem>,
    #[serde(default, deserialize_with = "or_default")]
    tags: Labels,
    #[serde(default, deserialize_with = "or_default")]
    created_at: String,
}

#[derive(Deserialize)]
struct AttachmentItem {
    server_id: String,
}

impl From<VolumeItem> for Volume {
    fn from(item: VolumeItem) -> Self {
        let state = match item.status.as_str() {
            "available" => VolumeState::Available,
            "in-use" => VolumeState::Attached,
            "creating" | "attaching" | "detaching" | "extending" | "backing-up" => VolumeState::Pending,
            "deleting" => VolumeState::Deleted,
            "error" | "error_deleting" | "error_extending" => VolumeState::Failed,
            _ => VolumeState::Unknown,
        };
        Self {
            id: VolumeId::new(item.id),
            name: item.name,
            class: item.volume_type,
            size: gibi(item.size),
            state,
            zone: some(item.availability_zone, ZoneId::new),
            attached_to: item.attachments.into_iter().next().map(|holder| InstanceId::new(holder.server_id)),
            tags: item.tags,
            created_at: time(&item.created_at),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct CreateVolume {
    #[serde(default)]
    pub volume_ids: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Snapshots {
    pub snapshots: Vec<SnapshotItem>,
    pub count: u64,
}

#[derive(Deserialize)]
pub(crate) struct CreateSnapshot {
    pub snapshot: SnapshotItem,
}

#[derive(Deserialize)]
pub(crate) struct SnapshotItem {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    volume_id: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    created_at: String,
}

impl From<SnapshotItem> for Snapshot {
    fn from(item: SnapshotItem) -> Self {
        Self {
            id: SnapshotId::new(item.id),
            volume: some(item.volume_id, VolumeId::new),
            ready: item.status == "available",
            created_at: time(&item.created_at),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Images {
    pub images: Vec<ImageItem>,
}

#[derive(Deserialize)]
pub(crate) struct ImageItem {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    /// GiB.
    #[serde(default, deserialize_with = "or_default")]
    min_disk: u64,
    #[serde(default, deserialize_with = "or_default")]
    created_at: String,
}

impl From<ImageItem> for Image {
    fn from(item: ImageItem) -> Self {
        Self {
            id: ImageId::new(item.id),
            name: item.name,
            architecture: None,
            min_disk: (item.min_disk > 0).then(|| gibi(item.min_disk)),
            created_at: time(&item.created_at),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Vpcs {
    pub vpcs: Vec<VpcItem>,
}

#[derive(Deserialize)]
pub(crate) struct VpcItem {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    cidr: String,
}

impl From<VpcItem> for Network {
    fn from(item: VpcItem) -> Self {
        Self { id: NetworkId::new(item.id), name: item.name, ranges: vec![item.cidr] }
    }
}

#[derive(Deserialize)]
pub(crate) struct Subnets {
    pub subnets: Vec<SubnetItem>,
}

#[derive(Deserialize)]
pub(crate) struct OneSubnet {
    pub subnet: SubnetItem,
}

#[derive(Deserialize)]
pub(crate) struct SubnetItem {
    id: String,
    pub vpc_id: String,
    cidr: String,
    #[serde(default, deserialize_with = "or_default")]
    availability_zone: String,
}

impl From<SubnetItem> for Subnet {
    fn from(item: SubnetItem) -> Self {
        Self {
            id: SubnetId::new(item.id),
            network: NetworkId::new(item.vpc_id),
            zone: some(item.availability_zone, ZoneId::new),
            range: item.cidr,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Groups {
    pub security_groups: Vec<GroupItem>,
    #[serde(default)]
    pub page_info: PageInfo,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct PageInfo {
    #[serde(deserialize_with = "or_default")]
    pub next_marker: String,
}

#[derive(Deserialize)]
pub(crate) struct CreateGroup {
    pub security_group: GroupItem,
}

#[derive(Deserialize)]
pub(crate) struct GroupItem {
    pub id: String,
    #[serde(default)]
    pub name: String,
}

#[derive(Deserialize)]
pub(crate) struct Rules {
    pub security_group_rules: Vec<RuleItem>,
    #[serde(default)]
    pub page_info: PageInfo,
}

#[derive(Deserialize)]
pub(crate) struct RuleItem {
    pub id: String,
    pub security_group_id: String,
    direction: String,
    #[serde(default, deserialize_with = "or_default")]
    protocol: String,
    /// `22`, `80-90`, or several with commas; empty for all.
    #[serde(default, deserialize_with = "or_default")]
    multiport: String,
    #[serde(default, deserialize_with = "or_default")]
    remote_ip_prefix: String,
    #[serde(default, deserialize_with = "or_default")]
    action: String,
}

impl RuleItem {
    /// What it lets through, one rule for each of its port ranges; nothing if it denies, or names groups instead of addresses.
    pub fn rules(&self) -> Vec<Rule> {
        let direction = match self.direction.as_str() {
            "ingress" => Direction::In,
            "egress" => Direction::Out,
            _ => return Vec::new(),
        };
        if self.action == "deny" || self.remote_ip_prefix.is_empty() {
            return Vec::new();
        }
        let ports = || -> Vec<(u16, u16)> {
            if self.multiport.is_empty() {
                return vec![(0, u16::MAX)];
            }
            let range = |text: &str| match text.split_once('-') {
                Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
                None => text.parse().ok().map(|port| (port, port)),
            };
            self.multiport.split(',').filter_map(range).collect()
        };
        let protocols = match self.protocol.as_str() {
            "tcp" => ports().into_iter().map(|(from, to)| Protocol::Tcp(from, to)).collect(),
            "udp" => ports().into_iter().map(|(from, to)| Protocol::Udp(from, to)).collect(),
            "icmp" | "icmpv6" => vec![Protocol::Icmp],
            "" => vec![Protocol::All],
            _ => Vec::new(),
        };
        let peer = &self.remote_ip_prefix;
        protocols.into_iter().map(|protocol| Rule { direction, protocol, peer: peer.clone() }).collect()
    }
}
