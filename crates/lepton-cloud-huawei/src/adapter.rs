//! Each method of the trait as calls of Huawei Cloud's APIs.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lepton_cloud::wire::encode;
use lepton_cloud::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Direction, Identity, Image, ImageFilter,
    Instance, InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Network, Protocol,
    Quota, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId,
    Volume, VolumeId, Zone, ZoneId,
};
use lepton_cloud::{
    Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Page, PageToken, Params, Power,
    every_page, gibibytes,
};
use lepton_model::{Labels, Market};
use serde_json::{Value, json};

use crate::HuaweiCloud;
use crate::answer;
use crate::client::{Call, failed_job};

/// Most items on a page.
const PAGE: u64 = 100;
/// How often, and how many times, a launch's job is looked at before its outcome is left to later lists.
const JOB_PAUSE: Duration = Duration::from_secs(2);
const JOB_LOOKS: u32 = 5;

fn tags(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// A page of a call that goes on after the last item it gave.
fn by_marker(next: Option<&PageToken>) -> Params {
    Params::of("limit", PAGE).maybe("marker", next.map(PageToken::as_str))
}

/// Such a page, which is the last when it is not full.
fn page<T, U: From<T>>(items: Vec<T>, id: impl Fn(&U) -> &str) -> Page<U> {
    let full = items.len() as u64 >= PAGE;
    let items: Vec<U> = items.into_iter().map(U::from).collect();
    let next = items.last().filter(|_| full).and_then(|last| PageToken::new(id(last)));
    Page { items, next }
}

#[async_trait]
impl Cloud for HuaweiCloud {
    fn provider(&self) -> &'static str {
        "huawei"
    }

    fn region(&self) -> &RegionId {
        &self.config.region
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all().without(&[
            Operation::Prices,
            Operation::Pools,
            Operation::Register,
            Operation::Deregister,
            Operation::Measurements,
        ])
    }

    async fn identity(&self) -> CloudResult<Identity> {
        let name = Params::of("name", self.config.region.as_str());
        let answer: answer::Projects = self.call(Call::get("iam", "v3/projects").query(name)).await?;
        let project = answer.projects.into_iter().find(|project| project.id == self.config.project);
        let foreign = || {
            let message = format!("project {} is not one of this key's", self.config.project);
            CloudError::new(ErrorKind::Forbidden, message)
        };
        let account = project.ok_or_else(foreign)?.domain_id;
        Ok(Identity { account, principal: self.config.credentials.key_id.clone() })
    }

    async fn regions(&self) -> CloudResult<Vec<Region>> {
        let answer: answer::Regions = self.call(Call::get("iam", "v3/regions")).await?;
        let region = |item: answer::RegionItem| {
            let name = item.locales.get("zh-cn").unwrap_or(&item.id).clone();
            Region { id: RegionId::new(item.id), name }
        };
        Ok(answer.regions.into_iter().map(region).collect())
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        let answer: answer::Zones =
            self.call(Call::get("ecs", self.path("v2.1", "os-availability-zone"))).await?;
        let zone = |item: answer::ZoneItem| Zone {
            id: ZoneId::new(item.zone_name),
            available: item.zone_state.available,
        };
        Ok(answer.zones.into_iter().map(zone).collect())
    }

    async fn instance_types(&self, _page: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        let answer: answer::Flavors =
            self.call(Call::get("ecs", self.path("v1", "cloudservers/flavors"))).await?;
        Ok(Page::last(answer.flavors.into_iter().map(InstanceType::from).collect()))
    }

    async fn quotas(&self) -> CloudResult<Vec<Quota>> {
        let answer: answer::Limits =
            self.call(Call::get("ecs", self.path("v1", "cloudservers/limits"))).await?;
        Ok(answer.quotas())
    }

    async fn instances(
        &self,
        filter: &InstanceFilter,
        next: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        let number = PageToken::number(next, 1)?;
        let limit = filter.page_size.map_or(PAGE, u64::from).clamp(1, PAGE);
        // Of several tags the first is left to the cloud and the rest is filtered here; with ids the cloud heeds nothing else.
        let query = if filter.ids.is_empty() {
            let tag = filter.tags.iter().next().map(|(key, value)| format!("{key}={value}"));
            Params::of("limit", limit).set("offset", number).maybe("tags", tag)
        } else {
            let ids: Vec<&str> = filter.ids.iter().map(InstanceId::as_str).collect();
            Params::of("server_id", ids.join(","))
        };
        let call = Call::get("ecs", self.path("v1", "cloudservers/detail")).query(query);
        let answer: answer::Servers = self.call(call).await?;
        let more = filter.ids.is_empty()
            && !answer.servers.is_empty()
            && number.saturating_mul(limit) < answer.count;
        let known = answer.servers.into_iter().filter(|server| !server.status.is_empty());
        let mut items: Vec<Instance> = known.map(Instance::from).collect();
        items.retain(|instance| filter.matches(instance));
        Ok(Page::by_number(items, number.saturating_add(1), more))
    }

    async fn launch(&self, input: &LaunchInput) -> CloudResult<InstanceId> {
        let Some(subnet) = &input.subnet else {
            let field = Some("subnet".into());
            return Err(CloudError::new(
                ErrorKind::Invalid { field },
                "Huawei Cloud chooses no subnet; name one",
            ));
        };
        let network = self.network_of(subnet).await?;
        let mut root = json!({"volumetype": "GPSSD"});
        if let Some(size) = input.root_disk {
            root["size"] = gibibytes(size).into();
        }
        let mut server = json!({
            "name": input.name,
            "flavorRef": input.instance_type,
            "imageRef": input.image,
            "vpcid": network,
            "nics": [{"subnet_id": subnet}],
            "root_volume": root,
            "count": 1,
            "server_tags": tags(&input.all_tags()),
            "extendparam": {"chargingMode": "postPaid"},
        });
        if input.market == Market::Spot {
            server["extendparam"]["marketType"] = "spot".into();
        }
        if let Some(zone) = &input.zone {
            server["availability_zone"] = json!(zone);
        }
        if !input.security_groups.is_empty() {
            server["security_groups"] = input.security_groups.iter().map(|id| json!({"id": id})).collect();
        }
        if let Some(data) = &input.user_data {
            server["user_data"] = BASE64_STANDARD.encode(data.expose()).into();
        }
        let call = Call::post("ecs", self.path("v1.1", "cloudservers"), json!({"server": server}));
        let answer: answer::CreateServers = self.call(call.client_token(&input.token)).await?;
        self.look_after(&answer.job_id).await?;
        let id = answer.ids.into_iter().next();
        id.map(InstanceId::new).ok_or_else(|| CloudError::garbled("a launch without a machine"))
    }

    async fn power(&self, id: &InstanceId, power: Power) -> CloudResult<()> {
        let servers = json!([{"id": id}]);
        let (path, body) = match power {
            Power::Start => ("cloudservers/action", json!({"os-start": {"servers": servers}})),
            Power::Stop => ("cloudservers/action", json!({"os-stop": {"type": "SOFT", "servers": servers}})),
            Power::Reboot => ("cloudservers/action", json!({"reboot": {"type": "SOFT", "servers": servers}})),
            // The first disk always goes with its machine; the others stay.
            Power::Terminate => {
                let body = json!({"servers": servers, "delete_publicip": true, "delete_volume": false});
                ("cloudservers/delete", body)
            }
        };
        self.order(Call::post("ecs", self.path("v1", path), body)).await
    }

    async fn resize(&self, id: &InstanceId, to: &InstanceTypeName) -> CloudResult<()> {
        let path = self.path("v1.1", &format!("cloudservers/{}/resize", encode(id.as_str())));
        self.order(Call::post("ecs", path, json!({"resize": {"flavorRef": to}}))).await
    }

    async fn tag(&self, id: &InstanceId, labels: &Labels) -> CloudResult<()> {
        let path = self.path("v1", &format!("cloudservers/{}/tags/action", encode(id.as_str())));
        self.order(Call::post("ecs", path, json!({"action": "create", "tags": tags(labels)}))).await
    }

    async fn console_output(&self, id: &InstanceId) -> CloudResult<ConsoleOutput> {
        let body = json!({"os-getConsoleOutput": {"length": 1_000}});
        let answer: answer::Console = self.call(Call::post("ecs", self.action(id), body)).await?;
        Ok(ConsoleOutput::last_of(answer.output.as_bytes(), None))
    }

    async fn volumes(&self, next: Option<PageToken>) -> CloudResult<Page<Volume>> {
        let offset = PageToken::number(next, 0)?;
        let query = Params::of("limit", PAGE).set("offset", offset);
        let call = Call::get("evs", self.path("v2", "cloudvolumes/detail")).query(query);
        let answer: answer::Volumes = self.call(call).await?;
        Ok(Page::by_offset(offset, answer.volumes, answer.count))
    }

    async fn create_volume(&self, input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        let volume = json!({
            "name": input.name,
            "availability_zone": input.zone,
            "size": gibibytes(input.size),
            "volume_type": input.class.as_deref().unwrap_or("GPSSD"),
            "count": 1,
            "tags": input.tags,
        });
        let call = Call::post("evs", self.path("v2", "cloudvolumes"), json!({"volume": volume}));
        let answer: answer::CreateVolume = self.call(call).await?;
        let id = answer.volume_ids.into_iter().next();
        id.map(VolumeId::new).ok_or_else(|| CloudError::garbled("a disk without an id"))
    }

    async fn attach_volume(&self, id: &VolumeId, to: &InstanceId) -> CloudResult<()> {
        let path = self.path("v1", &format!("cloudservers/{}/attachvolume", encode(to.as_str())));
        self.order(Call::post("ecs", path, json!({"volumeAttachment": {"volumeId": id}}))).await
    }

    async fn detach_volume(&self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        let (machine, volume) = (encode(from.as_str()), encode(id.as_str()));
        let path = self.path("v1", &format!("cloudservers/{machine}/detachvolume/{volume}"));
        self.order(Call::delete("ecs", path)).await
    }

    async fn delete_volume(&self, id: &VolumeId) -> CloudResult<()> {
        let path = self.path("v2", &format!("cloudvolumes/{}", encode(id.as_str())));
        self.order(Call::delete("evs", path)).await
    }

    async fn snapshots(&self, next: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        let offset = PageToken::number(next, 0)?;
        let query = Params::of("limit", PAGE).set("offset", offset);
        let call = Call::get("evs", self.path("v2", "cloudsnapshots/detail")).query(query);
        let answer: answer::Snapshots = self.call(call).await?;
        Ok(Page::by_offset(offset, answer.snapshots, answer.count))
    }

    async fn create_snapshot(&self, of: &VolumeId, name: &str) -> CloudResult<SnapshotId> {
        let body = json!({"snapshot": {"volume_id": of, "name": name}});
        let answer: answer::CreateSnapshot =
            self.call(Call::post("evs", self.path("v2", "cloudsnapshots"), body)).await?;
        Ok(SnapshotId::new(answer.snapshot.id))
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> CloudResult<()> {
        let path = self.path("v2", &format!("cloudsnapshots/{}", encode(id.as_str())));
        self.order(Call::delete("evs", path)).await
    }

    /// Names are matched here: the API wants them whole.
    async fn images(&self, filter: &ImageFilter, next: Option<PageToken>) -> CloudResult<Page<Image>> {
        let query = by_marker(next.as_ref()).set("status", "active");
        let answer: answer::Images = self.call(Call::get("ims", "v2/cloudimages").query(query)).await?;
        let mut page: Page<Image> = page(answer.images, |image: &Image| image.id.as_str());
        page.items.retain(|image| filter.name.as_ref().is_none_or(|part| image.name.contains(part)));
        Ok(page)
    }

    async fn networks(&self) -> CloudResult<Vec<Network>> {
        every_page(async |next: Option<PageToken>| {
            let call = Call::get("vpc", self.path("v1", "vpcs")).query(by_marker(next.as_ref()));
            let answer: answer::Vpcs = self.call(call).await?;
            Ok(page(answer.vpcs, |network: &Network| network.id.as_str()))
        })
        .await
    }

    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        every_page(async |next: Option<PageToken>| {
            let call = Call::get("vpc", self.path("v1", "subnets")).query(by_marker(next.as_ref()));
            let answer: answer::Subnets = self.call(call).await?;
            Ok(page(answer.subnets, |subnet: &Subnet| subnet.id.as_str()))
        })
        .await
    }

    /// The list of groups and the list of all rules. Groups belong to no network here.
    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        let groups = every_page(async |next: Option<PageToken>| {
            let call =
                Call::get("vpc", self.path("v3", "vpc/security-groups")).query(by_marker(next.as_ref()));
            let answer: answer::Groups = self.call(call).await?;
            Ok(Page { items: answer.security_groups, next: PageToken::new(answer.page_info.next_marker) })
        })
        .await?;
        let rules = self.rules(None).await?;
        let group = |item: answer::GroupItem| {
            let own = rules.iter().filter(|rule| rule.security_group_id == item.id);
            let rules = own.flat_map(answer::RuleItem::rules).collect();
            SecurityGroup { id: SecurityGroupId::new(item.id), name: item.name, network: None, rules }
        };
        Ok(groups.into_iter().map(group).collect())
    }

    async fn create_security_group(&self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        let body = json!({"security_group": {"name": input.name, "description": "made by Lepton"}});
        let answer: answer::CreateGroup =
            self.call(Call::post("vpc", self.path("v3", "vpc/security-groups"), body)).await?;
        let id = SecurityGroupId::new(answer.security_group.id);
        if let Err(error) = self.close(&id, &input.rules).await {
            // A group that lets out more than was asked for must not stay.
            self.delete_security_group(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// The API refuses rules that are there already, and takes one at a time.
    async fn allow(&self, group: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        let known = if rules.is_empty() { Vec::new() } else { self.rules(Some(group)).await? };
        let known: Vec<Rule> = known.iter().flat_map(answer::RuleItem::rules).collect();
        for rule in rules.iter().filter(|rule| !known.contains(rule)) {
            let call = Call::post("vpc", self.path("v3", "vpc/security-group-rules"), new_rule(group, rule));
            self.order(call).await?;
        }
        Ok(())
    }

    async fn delete_security_group(&self, id: &SecurityGroupId) -> CloudResult<()> {
        let path = self.path("v3", &format!("vpc/security-groups/{}", encode(id.as_str())));
        self.order(Call::delete("vpc", path)).await
    }

    /// First into the new groups, then out of the old: the API knows only these steps, and a machine is never in none.
    async fn set_security_groups(&self, id: &InstanceId, groups: &[SecurityGroupId]) -> CloudResult<()> {
        let page = self.instances(&InstanceFilter::id(id), None).await?;
        let Some(machine) = page.items.into_iter().next() else {
            return Err(CloudError::new(ErrorKind::NotFound, format!("there is no machine {id}")));
        };
        for group in groups.iter().filter(|group| !machine.security_groups.contains(group)) {
            let body = json!({"addSecurityGroup": {"name": group}});
            self.order(Call::post("ecs", self.action(id), body)).await?;
        }
        for group in machine.security_groups.iter().filter(|group| !groups.contains(group)) {
            let body = json!({"removeSecurityGroup": {"name": group}});
            self.order(Call::post("ecs", self.action(id), body)).await?;
        }
        Ok(())
    }
}

impl HuaweiCloud {
    fn action(&self, id: &InstanceId) -> String {
        self.path("v2.1", &format!("servers/{}/action", encode(id.as_str())))
    }

    /// Looks at a job until it has ended, but not for long.
    async fn look_after(&self, job: &str) -> CloudResult<()> {
        let path = self.path("v1", &format!("jobs/{}", encode(job)));
        for look in 0..JOB_LOOKS {
            if look > 0 {
                tokio::time::sleep(JOB_PAUSE).await;
            }
            let answer: answer::Job = self.call(Call::get("ecs", path.as_str())).await?;
            match answer.status.as_str() {
                "SUCCESS" => break,
                "FAIL" => return Err(failed_job(&answer.error_code, &answer.fail_reason, job)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn network_of(&self, subnet: &SubnetId) -> CloudResult<String> {
        let path = self.path("v1", &format!("subnets/{}", encode(subnet.as_str())));
        let answer: answer::OneSubnet = self.call(Call::get("vpc", path)).await?;
        Ok(answer.subnet.vpc_id)
    }

    async fn rules(&self, group: Option<&SecurityGroupId>) -> CloudResult<Vec<answer::RuleItem>> {
        every_page(async |next: Option<PageToken>| {
            let query = by_marker(next.as_ref()).maybe("security_group_id", group);
            let call = Call::get("vpc", self.path("v3", "vpc/security-group-rules")).query(query);
            let answer: answer::Rules = self.call(call).await?;
            Ok(Page {
                items: answer.security_group_rules,
                next: PageToken::new(answer.page_info.next_marker),
            })
        })
        .await
    }

    /// A new group lets everything out, and its machines reach each other: takes that away, then lets through what is wanted.
    async fn close(&self, id: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        for rule in self.rules(Some(id)).await? {
            let path = self.path("v3", &format!("vpc/security-group-rules/{}", encode(&rule.id)));
            self.order(Call::delete("vpc", path)).await?;
        }
        self.allow(id, rules).await
    }
}

fn new_rule(group: &SecurityGroupId, rule: &Rule) -> Value {
    let v6 = rule.peer.contains(':');
    let mut item = json!({
        "security_group_id": group,
        "direction": match rule.direction { Direction::In => "ingress", Direction::Out => "egress" },
        "ethertype": if v6 { "IPv6" } else { "IPv4" },
        "remote_ip_prefix": rule.peer,
        "action": "allow",
    });
    let (protocol, ports) = match rule.protocol {
        Protocol::Tcp(from, to) => ("tcp", Some((from, to))),
        Protocol::Udp(from, to) => ("udp", Some((from, to))),
        Protocol::Icmp => (if v6 { "icmpv6" } else { "icmp" }, None),
        Protocol::All => return json!({"security_group_rule": item}),
    };
    item["protocol"] = protocol.into();
    if let Some((from, to)) = ports {
        item["multiport"] = if from == to { from.to_string() } else { format!("{from}-{to}") }.into();
    }
    json!({"security_group_rule": item})
}
