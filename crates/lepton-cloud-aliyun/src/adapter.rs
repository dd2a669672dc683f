//! Each method of the trait as actions of Alibaba Cloud's API.

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lepton_cloud::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Direction, Identity, Image, ImageFilter,
    Instance, InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Network, Price,
    Protocol, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, Volume,
    VolumeId, Zone, ZoneId,
};
use lepton_cloud::{
    Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Page, PageToken, Params, Power,
    every_page, gibibytes,
};
use lepton_model::{Labels, Market, Money};
use rust_decimal::Decimal;

use crate::AliyunCloud;
use crate::answer;
use crate::client::{Accepted, STS, VPC};

/// Most items on a page that all the paged actions take.
const PAGE: u32 = 100;
/// Most items on a page of the VPC service.
const VPC_PAGE: u64 = 50;

/// A page of an action that gives the next page's token.
fn by_token(next: Option<PageToken>, size: u32) -> Params {
    Params::of("MaxResults", size).maybe("NextToken", next.as_ref().map(PageToken::as_str))
}

fn page<T, U: From<T>>(items: Vec<T>, next: String) -> Page<U> {
    Page { items: items.into_iter().map(U::from).collect(), next: PageToken::new(next) }
}

fn one(name: &str, id: impl std::fmt::Display) -> Params {
    Params::of(name, id)
}

#[async_trait]
impl Cloud for AliyunCloud {
    fn provider(&self) -> &'static str {
        "aliyun"
    }

    fn region(&self) -> &RegionId {
        &self.config.region
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all().without(&[
            Operation::Quotas,
            Operation::Pools,
            Operation::Register,
            Operation::Deregister,
            Operation::Measurements,
        ])
    }

    async fn identity(&self) -> CloudResult<Identity> {
        let caller: answer::CallerIdentity = self.call(STS, "GetCallerIdentity", Params::default()).await?;
        Ok(Identity { account: caller.account_id, principal: caller.arn })
    }

    async fn regions(&self) -> CloudResult<Vec<Region>> {
        let answer: answer::DescribeRegions = self.ecs("DescribeRegions", Params::default()).await?;
        let region =
            |item: answer::RegionItem| Region { id: RegionId::new(item.region_id), name: item.local_name };
        Ok(answer.regions.items.into_iter().map(region).collect())
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        let answer: answer::DescribeZones = self.ecs("DescribeZones", Params::default()).await?;
        let zone = |item: answer::ZoneItem| Zone {
            available: !item.available_resources.items.is_empty(),
            id: ZoneId::new(item.zone_id),
        };
        Ok(answer.zones.items.into_iter().map(zone).collect())
    }

    async fn instance_types(&self, next: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        let answer: answer::DescribeInstanceTypes =
            self.ecs("DescribeInstanceTypes", by_token(next, PAGE)).await?;
        Ok(page(answer.instance_types.items, answer.next_token))
    }

    /// One call for each type: the API prices one at a time.
    async fn prices(&self, types: &[InstanceTypeName]) -> CloudResult<Vec<Price>> {
        let mut prices = Vec::new();
        for instance_type in types {
            let params = one("InstanceType", instance_type)
                .set("ResourceType", "instance")
                .set("SystemDisk.Category", "cloud_essd")
                .set("PriceUnit", "Hour");
            let answer: answer::DescribePrice = match self.ecs("DescribePrice", params).await {
                Ok(answer) => answer,
                // A type that is not sold here, or not by the hour, has no price.
                Err(CloudError { kind: ErrorKind::Invalid { .. } | ErrorKind::NotFound, .. }) => continue,
                Err(error) => return Err(error),
            };
            let price = answer.price_info.price;
            let currency = price.currency.parse().map_err(CloudError::garbled)?;
            let Some(detail) = price.detail_infos.items.iter().find(|part| part.resource == "instanceType")
            else {
                continue;
            };
            let amount: Decimal = detail.trade_price.to_string().parse().map_err(CloudError::garbled)?;
            let per_hour = Money::new(amount, currency);
            prices.push(Price {
                instance_type: instance_type.clone(),
                zone: None,
                market: Market::OnDemand,
                per_hour,
            });
        }
        Ok(prices)
    }

    async fn instances(
        &self,
        filter: &InstanceFilter,
        next: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        let mut params =
            by_token(next, filter.page_size.unwrap_or(PAGE).clamp(1, PAGE)).tags("Tag", &filter.tags);
        if !filter.ids.is_empty() {
            let ids: Vec<&str> = filter.ids.iter().map(InstanceId::as_str).collect();
            params = params.set("InstanceIds", serde_json::Value::from(ids));
        }
        let answer: answer::DescribeInstances = self.ecs("DescribeInstances", params).await?;
        Ok(page(answer.instances.items, answer.next_token))
    }

    async fn launch(&self, input: &LaunchInput) -> CloudResult<InstanceId> {
        let user_data = input.user_data.as_ref().map(|data| BASE64_STANDARD.encode(data.expose()));
        let spot = if input.market == Market::Spot { "SpotAsPriceGo" } else { "NoSpot" };
        let params = Params::of("ClientToken", &input.token)
            .set("Amount", 1)
            .set("InstanceName", &input.name)
            .set("HostName", &input.name)
            .set("InstanceType", &input.instance_type)
            .set("ImageId", &input.image)
            .set("InstanceChargeType", "PostPaid")
            .set("SpotStrategy", spot)
            .maybe("ZoneId", input.zone.as_ref())
            .maybe("VSwitchId", input.subnet.as_ref())
            .list("SecurityGroupIds", &input.security_groups)
            .maybe("SystemDisk.Size", input.root_disk.map(gibibytes))
            .maybe("UserData", user_data)
            .tags("Tag", &input.all_tags());
        let answer: answer::RunInstances = self.ecs("RunInstances", params).await?;
        let id = answer.instance_id_sets.items.into_iter().next();
        id.map(InstanceId::new).ok_or_else(|| CloudError::garbled("a launch without a machine"))
    }

    async fn power(&self, id: &InstanceId, power: Power) -> CloudResult<()> {
        let (action, already, params) = match power {
            Power::Start => ("StartInstance", "Running", one("InstanceId", id)),
            // Cores and memory are not paid for while it is stopped.
            Power::Stop => {
                ("StopInstance", "Stopped", one("InstanceId", id).set("StoppedMode", "StopCharging"))
            }
            Power::Reboot => ("RebootInstance", "", one("InstanceId", id)),
            Power::Terminate => ("DeleteInstance", "", one("InstanceId", id).set("Force", true)),
        };
        match self.ecs::<Accepted>(action, params).await {
            Ok(_) => Ok(()),
            // The API refuses to start what runs and to stop what is stopped; the trait does not.
            Err(error) if error.kind == ErrorKind::Conflict && !already.is_empty() => {
                let shown: answer::DescribeInstanceStatus =
                    self.ecs("DescribeInstanceStatus", Params::of("InstanceId.1", id)).await?;
                if shown.statuses.items.iter().any(|item| item.status == already) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn resize(&self, id: &InstanceId, to: &InstanceTypeName) -> CloudResult<()> {
        let params = one("InstanceId", id).set("InstanceType", to);
        self.ecs::<Accepted>("ModifyInstanceSpec", params).await.map(drop)
    }

    async fn tag(&self, id: &InstanceId, tags: &Labels) -> CloudResult<()> {
        let params = Params::of("ResourceType", "instance").set("ResourceId.1", id).tags("Tag", tags);
        self.ecs::<Accepted>("TagResources", params).await.map(drop)
    }

    async fn console_output(&self, id: &InstanceId) -> CloudResult<ConsoleOutput> {
        let answer: answer::GetInstanceConsoleOutput =
            self.ecs("GetInstanceConsoleOutput", one("InstanceId", id)).await?;
        let bytes = BASE64_STANDARD.decode(&answer.console_output).map_err(CloudError::garbled)?;
        Ok(ConsoleOutput::last_of(&bytes, answer.at()))
    }

    async fn volumes(&self, next: Option<PageToken>) -> CloudResult<Page<Volume>> {
        let answer: answer::DescribeDisks = self.ecs("DescribeDisks", by_token(next, PAGE)).await?;
        Ok(page(answer.disks.items, answer.next_token))
    }

    async fn create_volume(&self, input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        let params = Params::of("DiskName", &input.name)
            .set("ZoneId", &input.zone)
            .set("Size", gibibytes(input.size))
            .set("DiskCategory", input.class.as_deref().unwrap_or("cloud_essd"))
            .tags("Tag", &input.tags);
        let answer: answer::CreateDisk = self.ecs("CreateDisk", params).await?;
        Ok(VolumeId::new(answer.disk_id))
    }

    async fn attach_volume(&self, id: &VolumeId, to: &InstanceId) -> CloudResult<()> {
        let params = one("DiskId", id).set("InstanceId", to);
        self.ecs::<Accepted>("AttachDisk", params).await.map(drop)
    }

    async fn detach_volume(&self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        let params = one("DiskId", id).set("InstanceId", from);
        self.ecs::<Accepted>("DetachDisk", params).await.map(drop)
    }

    async fn delete_volume(&self, id: &VolumeId) -> CloudResult<()> {
        self.ecs::<Accepted>("DeleteDisk", one("DiskId", id)).await.map(drop)
    }

    async fn snapshots(&self, next: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        let answer: answer::DescribeSnapshots = self.ecs("DescribeSnapshots", by_token(next, PAGE)).await?;
        Ok(page(answer.snapshots.items, answer.next_token))
    }

    async fn create_snapshot(&self, of: &VolumeId, name: &str) -> CloudResult<SnapshotId> {
        let params = one("DiskId", of).set("SnapshotName", name);
        let answer: answer::CreateSnapshot = self.ecs("CreateSnapshot", params).await?;
        Ok(SnapshotId::new(answer.snapshot_id))
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> CloudResult<()> {
        self.ecs::<Accepted>("DeleteSnapshot", one("SnapshotId", id)).await.map(drop)
    }

    async fn images(&self, filter: &ImageFilter, next: Option<PageToken>) -> CloudResult<Page<Image>> {
        let number = PageToken::number(next, 1)?;
        // `*` finds names that contain the part.
        let part = filter.name.as_ref().map(|part| format!("*{part}*"));
        let params = Params::of("PageSize", PAGE).set("PageNumber", number).maybe("ImageName", part);
        let answer: answer::DescribeImages = self.ecs("DescribeImages", params).await?;
        let items = answer.images.items.into_iter().map(Image::from).collect();
        let more = number.saturating_mul(u64::from(PAGE)) < answer.total_count;
        Ok(Page::by_number(items, number.saturating_add(1), more))
    }

    async fn networks(&self) -> CloudResult<Vec<Network>> {
        every_page(async |next| {
            let number = PageToken::number(next, 1)?;
            let params = Params::of("PageSize", VPC_PAGE).set("PageNumber", number);
            let answer: answer::DescribeVpcs = self.call(VPC, "DescribeVpcs", params).await?;
            let items = answer.vpcs.items.into_iter().map(Network::from).collect();
            Ok(Page::by_number(items, number + 1, number * VPC_PAGE < answer.total_count))
        })
        .await
    }

    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        every_page(async |next| {
            let number = PageToken::number(next, 1)?;
            let params = Params::of("PageSize", VPC_PAGE).set("PageNumber", number);
            let answer: answer::DescribeVSwitches = self.call(VPC, "DescribeVSwitches", params).await?;
            let items = answer.v_switches.items.into_iter().map(Subnet::from).collect();
            Ok(Page::by_number(items, number + 1, number * VPC_PAGE < answer.total_count))
        })
        .await
    }

    /// One call for the list and one for the rules of each.
    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        let list = every_page(async |next| {
            let answer: answer::DescribeSecurityGroups =
                self.ecs("DescribeSecurityGroups", by_token(next, PAGE)).await?;
            Ok(Page { items: answer.security_groups.items, next: PageToken::new(answer.next_token) })
        })
        .await?;
        let mut groups = Vec::new();
        for item in list {
            let params = one("SecurityGroupId", &item.security_group_id).set("Direction", "all");
            let attribute = self.ecs("DescribeSecurityGroupAttribute", params).await?;
            groups.push(item.with(attribute));
        }
        Ok(groups)
    }

    async fn create_security_group(&self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        let params = Params::of("SecurityGroupName", &input.name).set("VpcId", &input.network);
        let answer: answer::CreateSecurityGroup = self.ecs("CreateSecurityGroup", params).await?;
        let id = SecurityGroupId::new(answer.security_group_id);
        if let Err(error) = self.close(&id, &input.rules).await {
            // A group that lets out more than was asked for must not stay.
            self.delete_security_group(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    async fn allow(&self, group: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        for (action, direction) in
            [("AuthorizeSecurityGroup", Direction::In), ("AuthorizeSecurityGroupEgress", Direction::Out)]
        {
            let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.direction == direction).collect();
            for some in rules.chunks(100) {
                let params = (1..).zip(some).fold(one("SecurityGroupId", group), |params, (n, rule)| {
                    permission(params, n, rule, "accept", 1)
                });
                self.ecs::<Accepted>(action, params).await?;
            }
        }
        Ok(())
    }

    async fn delete_security_group(&self, id: &SecurityGroupId) -> CloudResult<()> {
        self.ecs::<Accepted>("DeleteSecurityGroup", one("SecurityGroupId", id)).await.map(drop)
    }

    async fn set_security_groups(&self, id: &InstanceId, groups: &[SecurityGroupId]) -> CloudResult<()> {
        let params = one("InstanceId", id).list("SecurityGroupIds", groups);
        self.ecs::<Accepted>("ModifyInstanceAttribute", params).await.map(drop)
    }
}

impl AliyunCloud {
    /// Makes a new group let through its rules only. New groups let everything out, and their machines reach each other.
    async fn close(&self, id: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        let inner = one("SecurityGroupId", id).set("InnerAccessPolicy", "Drop");
        self.ecs::<Accepted>("ModifySecurityGroupPolicy", inner).await?;
        let everything = ["0.0.0.0/0", "::/0"].map(|peer| Rule {
            direction: Direction::Out,
            protocol: Protocol::All,
            peer: peer.to_owned(),
        });
        let params = (1..)
            .zip(&everything)
            .fold(one("SecurityGroupId", id), |params, (n, rule)| permission(params, n, rule, "drop", 100));
        self.ecs::<Accepted>("AuthorizeSecurityGroupEgress", params).await?;
        self.allow(id, rules).await
    }
}

/// One rule of many. Of two that match, the one with the lower priority number counts.
fn permission(params: Params, n: u32, rule: &Rule, policy: &str, priority: u32) -> Params {
    let (protocol, ports) = match rule.protocol {
        Protocol::Tcp(from, to) => ("tcp", format!("{from}/{to}")),
        Protocol::Udp(from, to) => ("udp", format!("{from}/{to}")),
        Protocol::Icmp => ("icmp", "-1/-1".to_owned()),
        Protocol::All => ("all", "-1/-1".to_owned()),
    };
    let peer = match (rule.direction, rule.peer.contains(':')) {
        (Direction::In, false) => "SourceCidrIp",
        (Direction::In, true) => "Ipv6SourceCidrIp",
        (Direction::Out, false) => "DestCidrIp",
        (Direction::Out, true) => "Ipv6DestCidrIp",
    };
    params
        .set(format!("Permissions.{n}.IpProtocol"), protocol)
        .set(format!("Permissions.{n}.PortRange"), ports)
        .set(format!("Permissions.{n}.{peer}"), &rule.peer)
        .set(format!("Permissions.{n}.Policy"), policy)
        .set(format!("Permissions.{n}.Priority"), priority)
}
