//! The JSON of each action, and what it says in Lepton's words. Only what Lepton acts on is read.

use lepton_cloud::answer::{addresses, gibi, some, time};
use lepton_cloud::words::{
    Direction, Image, ImageId, Instance, InstanceId, InstanceState, InstanceType, InstanceTypeName, Network,
    NetworkId, Protocol, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId,
    Volume, VolumeId, VolumeState, ZoneId,
};
use lepton_model::{Bytes, Cpu, Labels, Market, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Lists come wrapped in an object whose one field is named after the item: `{"Instance": […]}`.
macro_rules! wrapped {
    ($($name:ident = $field:literal;)+) => {$(
        #[derive(Deserialize)]
        pub(crate) struct $name<T> {
            #[serde(rename = $field)]
            pub items: Vec<T>,
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                Self { items: Vec::new() }
            }
        }
    )+};
}

wrapped! {
    Regions = "Region";
    Zones = "Zone";
    Types = "InstanceType";
    Instances = "Instance";
    InstanceIds = "InstanceIdSet";
    Addresses = "IpAddress";
    GroupIds = "SecurityGroupId";
    Tags = "Tag";
    Disks = "Disk";
    Snapshots = "Snapshot";
    Images = "Image";
    Vpcs = "Vpc";
    VSwitches = "VSwitch";
    Groups = "SecurityGroup";
    Permissions = "Permission";
    Details = "DetailInfo";
    Statuses = "InstanceStatus";
    ZoneResources = "ResourcesInfo";
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CallerIdentity {
    pub account_id: String,
    pub arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeRegions {
    pub regions: Regions<RegionItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RegionItem {
    pub region_id: String,
    #[serde(default)]
    pub local_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeZones {
    pub zones: Zones<ZoneItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ZoneItem {
    pub zone_id: String,
    /// Empty where nothing is sold.
    #[serde(default)]
    pub available_resources: ZoneResources<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeInstanceTypes {
    pub instance_types: Types<TypeItem>,
    #[serde(default)]
    pub next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TypeItem {
    instance_type_id: String,
    cpu_core_count: u64,
    /// GiB, with fractions.
    memory_size: f64,
    #[serde(default, rename = "GPUAmount")]
    gpu_amount: u32,
    #[serde(default)]
    cpu_architecture: String,
}

impl From<TypeItem> for InstanceType {
    fn from(item: TypeItem) -> Self {
        Self {
            name: InstanceTypeName::new(item.instance_type_id),
            cpu: Cpu::from_millis(item.cpu_core_count.saturating_mul(1_000)),
            // A float becomes the nearest integer, negative and absurd ones the nearest there is.
            memory: Bytes::mebi((item.memory_size * 1_024.0).clamp(0.0, 1e9) as u64),
            gpus: item.gpu_amount,
            architecture: architecture(&item.cpu_architecture),
        }
    }
}

/// `X86` and `x86_64`, `ARM` and `arm64`, by action.
fn architecture(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let known = [("x86", "amd64"), ("i386", "386"), ("arm", "arm64")];
    known.iter().find(|(head, _)| word.starts_with(head)).map(|(_, name)| (*name).to_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribePrice {
    pub price_info: PriceInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PriceInfo {
    pub price: PriceTotal,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PriceTotal {
    pub currency: String,
    #[serde(default)]
    pub detail_infos: Details<PriceDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PriceDetail {
    /// `instanceType`, `systemDisk`, …
    pub resource: String,
    pub trade_price: serde_json::Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeInstances {
    pub instances: Instances<InstanceItem>,
    #[serde(default)]
    pub next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceItem {
    instance_id: String,
    #[serde(default)]
    instance_name: String,
    instance_type: String,
    status: String,
    #[serde(default)]
    zone_id: String,
    #[serde(default)]
    image_id: String,
    #[serde(default)]
    spot_strategy: String,
    #[serde(default)]
    creation_time: String,
    #[serde(default)]
    vpc_attributes: VpcAttributes,
    #[serde(default)]
    security_group_ids: GroupIds<String>,
    #[serde(default)]
    public_ip_address: Addresses<String>,
    #[serde(default)]
    eip_address: EipAddress,
    #[serde(default)]
    tags: Tags<TagItem>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VpcAttributes {
    vpc_id: String,
    v_switch_id: String,
    private_ip_address: Addresses<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EipAddress {
    ip_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagItem {
    tag_key: String,
    #[serde(default)]
    tag_value: String,
}

fn labels(tags: Tags<TagItem>) -> Labels {
    tags.items.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect()
}

impl From<InstanceItem> for Instance {
    fn from(item: InstanceItem) -> Self {
        let state = match item.status.as_str() {
            "Pending" | "Starting" => InstanceState::Pending,
            "Running" => InstanceState::Running,
            "Stopping" => InstanceState::Stopping,
            "Stopped" => InstanceState::Stopped,
            "Deleted" => InstanceState::Terminated,
            _ => InstanceState::Unknown,
        };
        let spot = !matches!(item.spot_strategy.as_str(), "" | "NoSpot");
        let public = item.public_ip_address.items.into_iter().chain([item.eip_address.ip_address]);
        Self {
            id: InstanceId::new(item.instance_id),
            name: item.instance_name,
            instance_type: InstanceTypeName::new(item.instance_type),
            state,
            zone: some(item.zone_id, ZoneId::new),
            market: if spot { Market::Spot } else { Market::OnDemand },
            image: some(item.image_id, ImageId::new),
            network: some(item.vpc_attributes.vpc_id, NetworkId::new),
            subnet: some(item.vpc_attributes.v_switch_id, SubnetId::new),
            security_groups: item.security_group_ids.items.into_iter().map(SecurityGroupId::new).collect(),
            private_addresses: addresses(item.vpc_attributes.private_ip_address.items),
            public_addresses: addresses(public),
            tags: labels(item.tags),
            created_at: time(&item.creation_time),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RunInstances {
    pub instance_id_sets: InstanceIds<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetInstanceConsoleOutput {
    /// Base64.
    #[serde(default)]
    pub console_output: String,
    #[serde(default)]
    pub last_update_time: String,
}

impl GetInstanceConsoleOutput {
    pub fn at(&self) -> Option<Timestamp> {
        time(&self.last_update_time)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeDisks {
    pub disks: Disks<DiskItem>,
    #[serde(default)]
    pub next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DiskItem {
    disk_id: String,
    #[serde(default)]
    disk_name: String,
    #[serde(default)]
    category: String,
    /// GiB.
    size: u64,
    status: String,
    #[serde(default)]
    zone_id: String,
    #[serde(default)]
    instance_id: String,
    #[serde(default)]
    tags: Tags<TagItem>,
    #[serde(default)]
    creation_time: String,
}

impl From<DiskItem> for Volume {
    fn from(item: DiskItem) -> Self {
        let state = match item.status.as_str() {
            "In_use" => VolumeState::Attached,
            "Available" => VolumeState::Available,
            "Creating" | "Attaching" | "Detaching" | "ReIniting" => VolumeState::Pending,
            "Deleting" => VolumeState::Deleted,
            _ => VolumeState::Unknown,
        };
        Self {
            id: VolumeId::new(item.disk_id),
            name: item.disk_name,
            class: item.category,
            size: gibi(item.size),
            state,
            zone: some(item.zone_id, ZoneId::new),
            attached_to: some(item.instance_id, InstanceId::new),
            tags: labels(item.tags),
            created_at: time(&item.creation_time),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateDisk {
    pub disk_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeSnapshots {
    pub snapshots: Snapshots<SnapshotItem>,
    #[serde(default)]
    pub next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapshotItem {
    snapshot_id: String,
    #[serde(default)]
    source_disk_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    creation_time: String,
}

impl From<SnapshotItem> for Snapshot {
    fn from(item: SnapshotItem) -> Self {
        Self {
            id: SnapshotId::new(item.snapshot_id),
            volume: some(item.source_disk_id, VolumeId::new),
            ready: item.status == "accomplished",
            created_at: time(&item.creation_time),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateSnapshot {
    pub snapshot_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeImages {
    pub images: Images<ImageItem>,
    pub total_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImageItem {
    image_id: String,
    #[serde(default)]
    image_name: String,
    #[serde(default)]
    architecture: String,
    /// GiB.
    #[serde(default)]
    size: u64,
    #[serde(default)]
    creation_time: String,
}

impl From<ImageItem> for Image {
    fn from(item: ImageItem) -> Self {
        Self {
            id: ImageId::new(item.image_id),
            name: item.image_name,
            architecture: architecture(&item.architecture),
            min_disk: (item.size > 0).then(|| gibi(item.size)),
            created_at: time(&item.creation_time),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeVpcs {
    pub vpcs: Vpcs<VpcItem>,
    pub total_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VpcItem {
    vpc_id: String,
    #[serde(default)]
    vpc_name: String,
    cidr_block: String,
}

impl From<VpcItem> for Network {
    fn from(item: VpcItem) -> Self {
        Self { id: NetworkId::new(item.vpc_id), name: item.vpc_name, ranges: vec![item.cidr_block] }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeVSwitches {
    pub v_switches: VSwitches<VSwitchItem>,
    pub total_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VSwitchItem {
    v_switch_id: String,
    vpc_id: String,
    #[serde(default)]
    zone_id: String,
    cidr_block: String,
}

impl From<VSwitchItem> for Subnet {
    fn from(item: VSwitchItem) -> Self {
        Self {
            id: SubnetId::new(item.v_switch_id),
            network: NetworkId::new(item.vpc_id),
            zone: some(item.zone_id, ZoneId::new),
            range: item.cidr_block,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeSecurityGroups {
    pub security_groups: Groups<GroupItem>,
    #[serde(default)]
    pub next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupItem {
    pub security_group_id: String,
    #[serde(default)]
    security_group_name: String,
    #[serde(default)]
    vpc_id: String,
}

impl GroupItem {
    pub fn with(self, attribute: DescribeSecurityGroupAttribute) -> SecurityGroup {
        SecurityGroup {
            id: SecurityGroupId::new(self.security_group_id),
            name: self.security_group_name,
            network: some(self.vpc_id, NetworkId::new),
            rules: attribute.permissions.items.into_iter().filter_map(PermissionItem::rule).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeSecurityGroupAttribute {
    permissions: Permissions<PermissionItem>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct PermissionItem {
    direction: String,
    ip_protocol: String,
    port_range: String,
    policy: String,
    source_cidr_ip: String,
    dest_cidr_ip: String,
    ipv6_source_cidr_ip: String,
    ipv6_dest_cidr_ip: String,
}

impl PermissionItem {
    /// What it lets through; nothing if it drops, or speaks of groups and prefix lists instead of addresses.
    fn rule(self) -> Option<Rule> {
        if !self.policy.eq_ignore_ascii_case("accept") {
            return None;
        }
        let (direction, peers) = match self.direction.as_str() {
            "ingress" => (Direction::In, [self.source_cidr_ip, self.ipv6_source_cidr_ip]),
            "egress" => (Direction::Out, [self.dest_cidr_ip, self.ipv6_dest_cidr_ip]),
            _ => return None,
        };
        let peer = peers.into_iter().find(|peer| !peer.is_empty())?;
        let (from, to) = self.port_range.split_once('/')?;
        let ports = || Some((from.parse().ok()?, to.parse().ok()?));
        let protocol = match self.ip_protocol.to_ascii_lowercase().as_str() {
            "tcp" => ports().map(|(from, to)| Protocol::Tcp(from, to))?,
            "udp" => ports().map(|(from, to)| Protocol::Udp(from, to))?,
            "icmp" => Protocol::Icmp,
            "all" => Protocol::All,
            _ => return None,
        };
        Some(Rule { direction, protocol, peer })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateSecurityGroup {
    pub security_group_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeInstanceStatus {
    #[serde(rename = "InstanceStatuses")]
    pub statuses: Statuses<StatusItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StatusItem {
    pub status: String,
}
