//! Each method of the trait as actions of Tencent Cloud's API.

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lepton_cloud::words::{
    CreateSecurityGroupInput, CreateVolumeInput, Direction, Identity, Image, ImageFilter, Instance,
    InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Network, NetworkId, Price,
    Protocol, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId,
    Volume, VolumeId, Zone, ZoneId,
};
use lepton_cloud::{
    Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Page, PageToken, Power, every_page,
    gibibytes,
};
use lepton_model::{Labels, Market, Money};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::TencentCloud;
use crate::answer;
use crate::client::{Accepted, CBS, CVM, STS, TAG, VPC};

/// Most items on a page.
const PAGE: u64 = 100;

/// Tags as CVM and CBS take them.
fn tags(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

#[async_trait]
impl Cloud for TencentCloud {
    fn provider(&self) -> &'static str {
        "tencent"
    }

    fn region(&self) -> &RegionId {
        &self.config.region
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all().without(&[
            Operation::ConsoleOutput,
            Operation::Quotas,
            Operation::Pools,
            Operation::Register,
            Operation::Deregister,
            Operation::Measurements,
        ])
    }

    async fn identity(&self) -> CloudResult<Identity> {
        let caller: answer::CallerIdentity = self.call(STS, "GetCallerIdentity", json!({})).await?;
        Ok(Identity { account: caller.account, principal: caller.arn })
    }

    async fn regions(&self) -> CloudResult<Vec<Region>> {
        let answer: answer::DescribeRegions = self.call(CVM, "DescribeRegions", json!({})).await?;
        let region = |item: answer::RegionItem| Region { id: RegionId::new(item.id), name: item.name };
        Ok(answer.regions.into_iter().map(region).collect())
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        let answer: answer::DescribeZones = self.call(CVM, "DescribeZones", json!({})).await?;
        let zone =
            |item: answer::ZoneItem| Zone { id: ZoneId::new(item.id), available: item.state == "AVAILABLE" };
        Ok(answer.zones.into_iter().map(zone).collect())
    }

    /// The API lists each type once for each zone.
    async fn instance_types(&self, _page: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        let answer: answer::DescribeInstanceTypeConfigs =
            self.call(CVM, "DescribeInstanceTypeConfigs", json!({})).await?;
        let mut types: Vec<InstanceType> = answer.types.into_iter().map(InstanceType::from).collect();
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types.dedup_by(|a, b| a.name == b.name);
        Ok(Page::last(types))
    }

    async fn prices(&self, types: &[InstanceTypeName]) -> CloudResult<Vec<Price>> {
        let input = json!({"Filters": [{"Name": "instance-type", "Values": types}]});
        let answer: answer::DescribeZoneInstanceConfigInfos =
            self.call(CVM, "DescribeZoneInstanceConfigInfos", input).await?;
        let mut prices = Vec::new();
        for item in answer.quotas {
            let (Some(market), Some(amount)) = (answer::market(&item.charge), item.price.unit_price) else {
                continue;
            };
            if item.status != "SELL" || item.price.unit != "HOUR" {
                continue;
            }
            let amount: Decimal = amount.to_string().parse().map_err(CloudError::garbled)?;
            prices.push(Price {
                instance_type: InstanceTypeName::new(item.name),
                zone: Some(ZoneId::new(item.zone)),
                market,
                per_hour: Money::new(amount, self.config.currency),
            });
        }
        Ok(prices)
    }

    async fn instances(
        &self,
        filter: &InstanceFilter,
        next: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        let offset = PageToken::number(next, 0)?;
        let limit = filter.page_size.map_or(PAGE, u64::from).clamp(1, PAGE);
        let mut input = json!({"Offset": offset, "Limit": limit});
        // Ids and filters cannot go together; what the cloud does not filter is filtered here.
        if filter.ids.is_empty() {
            let tag =
                |(key, value): (&String, &String)| json!({"Name": format!("tag:{key}"), "Values": [value]});
            input["Filters"] = filter.tags.iter().map(tag).collect();
        } else {
            input["InstanceIds"] = json!(filter.ids);
        }
        let answer: answer::DescribeInstances = self.call(CVM, "DescribeInstances", input).await?;
        let mut page: Page<Instance> = Page::by_offset(offset, answer.instances, answer.total);
        page.items.retain(|instance| filter.matches(instance));
        Ok(page)
    }

    async fn launch(&self, input: &LaunchInput) -> CloudResult<InstanceId> {
        let Some(zone) = &input.zone else {
            let field = Some("zone".into());
            return Err(CloudError::new(
                ErrorKind::Invalid { field },
                "Tencent Cloud chooses no zone; name one",
            ));
        };
        let charge = if input.market == Market::Spot { "SPOTPAID" } else { "POSTPAID_BY_HOUR" };
        let mut request = json!({
            "ClientToken": input.token,
            "InstanceCount": 1,
            "InstanceName": input.name,
            "HostName": input.name,
            "InstanceType": input.instance_type,
            "ImageId": input.image,
            "InstanceChargeType": charge,
            "Placement": {"Zone": zone},
            "TagSpecification": [{"ResourceType": "instance", "Tags": tags(&input.all_tags())}],
        });
        if let Some(subnet) = &input.subnet {
            let network = self.network_of(subnet).await?;
            request["VirtualPrivateCloud"] = json!({"VpcId": network, "SubnetId": subnet});
        }
        if !input.security_groups.is_empty() {
            request["SecurityGroupIds"] = json!(input.security_groups);
        }
        if let Some(size) = input.root_disk {
            request["SystemDisk"] = json!({"DiskSize": gibibytes(size)});
        }
        if let Some(data) = &input.user_data {
            request["UserData"] = BASE64_STANDARD.encode(data.expose()).into();
        }
        let answer: answer::RunInstances = self.call(CVM, "RunInstances", request).await?;
        let id = answer.ids.into_iter().next();
        id.map(InstanceId::new).ok_or_else(|| CloudError::garbled("a launch without a machine"))
    }

    async fn power(&self, id: &InstanceId, power: Power) -> CloudResult<()> {
        let (action, already, input) = match power {
            Power::Start => ("StartInstances", "InstanceStateRunning", json!({"InstanceIds": [id]})),
            // Cores and memory are not paid for while it is stopped.
            Power::Stop => {
                let input =
                    json!({"InstanceIds": [id], "StopType": "SOFT_FIRST", "StoppedMode": "STOP_CHARGING"});
                ("StopInstances", "InstanceStateStopped", input)
            }
            Power::Reboot => ("RebootInstances", "", json!({"InstanceIds": [id], "StopType": "SOFT_FIRST"})),
            Power::Terminate => {
                ("TerminateInstances", "InstanceStateTerminating", json!({"InstanceIds": [id]}))
            }
        };
        match self.call::<Accepted>(CVM, action, input).await {
            // The API refuses to start what runs and to stop what is stopped; the trait does not.
            Err(error)
                if !already.is_empty() && error.code.as_ref().is_some_and(|code| code.ends_with(already)) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    async fn resize(&self, id: &InstanceId, to: &InstanceTypeName) -> CloudResult<()> {
        let input = json!({"InstanceIds": [id], "InstanceType": to});
        self.call::<Accepted>(CVM, "ResetInstancesType", input).await.map(drop)
    }

    /// The tag service names resources by the account, so this asks for that first.
    async fn tag(&self, id: &InstanceId, tags: &Labels) -> CloudResult<()> {
        let account = self.identity().await?.account;
        let resource = format!("qcs::cvm:{}:uin/{account}:instance/{id}", self.config.region);
        let tag = |(key, value)| json!({"TagKey": key, "TagValue": value});
        let tags: Value = tags.iter().map(tag).collect();
        let input = json!({"ResourceList": [resource], "Tags": tags});
        self.call::<Accepted>(TAG, "TagResources", input).await.map(drop)
    }

    async fn volumes(&self, next: Option<PageToken>) -> CloudResult<Page<Volume>> {
        let offset = PageToken::number(next, 0)?;
        let input = json!({"Offset": offset, "Limit": PAGE});
        let answer: answer::DescribeDisks = self.call(CBS, "DescribeDisks", input).await?;
        Ok(Page::by_offset(offset, answer.disks, answer.total))
    }

    async fn create_volume(&self, input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        let input = json!({
            "DiskName": input.name,
            "Placement": {"Zone": input.zone},
            "DiskSize": gibibytes(input.size),
            "DiskType": input.class.as_deref().unwrap_or("CLOUD_PREMIUM"),
            "DiskChargeType": "POSTPAID_BY_HOUR",
            "Tags": tags(&input.tags),
        });
        let answer: answer::CreateDisks = self.call(CBS, "CreateDisks", input).await?;
        let id = answer.ids.into_iter().next();
        id.map(VolumeId::new).ok_or_else(|| CloudError::garbled("a disk without an id"))
    }

    async fn attach_volume(&self, id: &VolumeId, to: &InstanceId) -> CloudResult<()> {
        let input = json!({"DiskIds": [id], "InstanceId": to});
        self.call::<Accepted>(CBS, "AttachDisks", input).await.map(drop)
    }

    async fn detach_volume(&self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        let input = json!({"DiskIds": [id], "InstanceId": from});
        self.call::<Accepted>(CBS, "DetachDisks", input).await.map(drop)
    }

    async fn delete_volume(&self, id: &VolumeId) -> CloudResult<()> {
        self.call::<Accepted>(CBS, "TerminateDisks", json!({"DiskIds": [id]})).await.map(drop)
    }

    async fn snapshots(&self, next: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        let offset = PageToken::number(next, 0)?;
        let input = json!({"Offset": offset, "Limit": PAGE});
        let answer: answer::DescribeSnapshots = self.call(CBS, "DescribeSnapshots", input).await?;
        Ok(Page::by_offset(offset, answer.snapshots, answer.total))
    }

    async fn create_snapshot(&self, of: &VolumeId, name: &str) -> CloudResult<SnapshotId> {
        let input = json!({"DiskId": of, "SnapshotName": name});
        let answer: answer::CreateSnapshot = self.call(CBS, "CreateSnapshot", input).await?;
        Ok(SnapshotId::new(answer.id))
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> CloudResult<()> {
        self.call::<Accepted>(CBS, "DeleteSnapshots", json!({"SnapshotIds": [id]})).await.map(drop)
    }

    /// Names are matched here: the API's filter wants them whole.
    async fn images(&self, filter: &ImageFilter, next: Option<PageToken>) -> CloudResult<Page<Image>> {
        let offset = PageToken::number(next, 0)?;
        let input = json!({"Offset": offset, "Limit": PAGE});
        let answer: answer::DescribeImages = self.call(CVM, "DescribeImages", input).await?;
        let mut page: Page<Image> = Page::by_offset(offset, answer.images, answer.total);
        page.items.retain(|image| filter.name.as_ref().is_none_or(|part| image.name.contains(part)));
        Ok(page)
    }

    async fn networks(&self) -> CloudResult<Vec<Network>> {
        every_page(async |next| {
            let offset = PageToken::number(next, 0)?;
            let answer: answer::DescribeVpcs = self.call(VPC, "DescribeVpcs", vpc_page(offset)).await?;
            Ok(Page::by_offset(offset, answer.vpcs, answer.total))
        })
        .await
    }

    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        every_page(async |next| {
            let offset = PageToken::number(next, 0)?;
            let answer: answer::DescribeSubnets = self.call(VPC, "DescribeSubnets", vpc_page(offset)).await?;
            Ok(Page::by_offset(offset, answer.subnets, answer.total))
        })
        .await
    }

    /// One call for the list and one for the rules of each.
    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        let list: Vec<answer::GroupItem> = every_page(async |next| {
            let offset = PageToken::number(next, 0)?;
            let answer: answer::DescribeSecurityGroups =
                self.call(VPC, "DescribeSecurityGroups", vpc_page(offset)).await?;
            Ok(Page::by_offset(offset, answer.groups, answer.total))
        })
        .await?;
        let mut groups = Vec::new();
        for item in list {
            let id = SecurityGroupId::new(item.id);
            let rules = self.rules(&id).await?;
            groups.push(SecurityGroup { id, name: item.name, network: None, rules });
        }
        Ok(groups)
    }

    /// Groups belong to no network here, and a new one lets nothing through.
    async fn create_security_group(&self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        let request = json!({"GroupName": input.name, "GroupDescription": "made by Lepton"});
        let answer: answer::CreateSecurityGroup = self.call(VPC, "CreateSecurityGroup", request).await?;
        let id = SecurityGroupId::new(answer.group.id);
        if let Err(error) = self.allow(&id, &input.rules).await {
            self.delete_security_group(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// The API refuses rules that are there already, and takes those of one direction at a time.
    async fn allow(&self, group: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        let known = if rules.is_empty() { Vec::new() } else { self.rules(group).await? };
        for (name, direction) in [("Ingress", Direction::In), ("Egress", Direction::Out)] {
            let new = rules.iter().filter(|rule| rule.direction == direction && !known.contains(rule));
            let new: Vec<Value> = new.map(policy).collect();
            if !new.is_empty() {
                let input = json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {name: new}});
                self.call::<Accepted>(VPC, "CreateSecurityGroupPolicies", input).await?;
            }
        }
        Ok(())
    }

    async fn delete_security_group(&self, id: &SecurityGroupId) -> CloudResult<()> {
        self.call::<Accepted>(VPC, "DeleteSecurityGroup", json!({"SecurityGroupId": id})).await.map(drop)
    }

    async fn set_security_groups(&self, id: &InstanceId, groups: &[SecurityGroupId]) -> CloudResult<()> {
        let input = json!({"InstanceIds": [id], "SecurityGroups": groups});
        self.call::<Accepted>(CVM, "ModifyInstancesAttribute", input).await.map(drop)
    }
}

impl TencentCloud {
    async fn rules(&self, group: &SecurityGroupId) -> CloudResult<Vec<Rule>> {
        let input = json!({"SecurityGroupId": group});
        let answer: answer::DescribeSecurityGroupPolicies =
            self.call(VPC, "DescribeSecurityGroupPolicies", input).await?;
        Ok(answer.policies.rules())
    }

    async fn network_of(&self, subnet: &SubnetId) -> CloudResult<NetworkId> {
        let answer: answer::DescribeSubnets =
            self.call(VPC, "DescribeSubnets", json!({"SubnetIds": [subnet]})).await?;
        let item = answer.subnets.into_iter().next();
        let missing = || CloudError::new(ErrorKind::NotFound, format!("there is no subnet {subnet}"));
        item.map(|item| NetworkId::new(item.vpc)).ok_or_else(missing)
    }
}

/// The VPC service wants its numbers as text.
fn vpc_page(offset: u64) -> Value {
    json!({"Offset": offset.to_string(), "Limit": PAGE.to_string()})
}

fn policy(rule: &Rule) -> Value {
    let v6 = rule.peer.contains(':');
    let (protocol, port) = match rule.protocol {
        Protocol::Tcp(from, to) => ("TCP", ports(from, to)),
        Protocol::Udp(from, to) => ("UDP", ports(from, to)),
        Protocol::Icmp if v6 => ("ICMPV6", "ALL".to_owned()),
        Protocol::Icmp => ("ICMP", "ALL".to_owned()),
        Protocol::All => ("ALL", "ALL".to_owned()),
    };
    let peer = if v6 { "Ipv6CidrBlock" } else { "CidrBlock" };
    json!({"Protocol": protocol, "Port": port, peer: rule.peer, "Action": "ACCEPT"})
}

fn ports(from: u16, to: u16) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}
