//! Each method of the trait as actions of AWS's APIs.

use std::fmt::Display;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lepton_cloud::answer::time;
use lepton_cloud::words::{
    ConsoleOutput, CreateSecurityGroupInput, CreateVolumeInput, Direction, Identity, Image, ImageFilter,
    Instance, InstanceFilter, InstanceId, InstanceType, InstanceTypeName, LaunchInput, Network, Pool, PoolId,
    Protocol, Region, RegionId, Rule, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, Target,
    Volume, VolumeId, Zone, ZoneId,
};
use lepton_cloud::{
    Capabilities, Cloud, CloudError, CloudResult, ErrorKind, Operation, Page, PageToken, Params, Power,
    every_page, gibibytes,
};
use lepton_model::{Bytes, Labels, Market};

use crate::AwsCloud;
use crate::answer::{self, NAME_TAG};
use crate::client::{Accepted, ELB, STS};

/// Most items on a page that all the paged actions take.
const PAGE: u32 = 100;

fn by_token(next: Option<PageToken>) -> Params {
    Params::of("MaxResults", PAGE).maybe("NextToken", next.as_ref().map(PageToken::as_str))
}

fn page<T, U: From<T>>(list: answer::List<T>, next: String) -> Page<U> {
    Page { items: list.items.into_iter().map(U::from).collect(), next: PageToken::new(next) }
}

/// Tags that something has from its first moment; its name is one of them.
fn named(params: Params, resource: &str, name: impl Display, tags: &Labels) -> Params {
    let mut tags = tags.clone();
    tags.insert(NAME_TAG.to_owned(), name.to_string());
    params.set("TagSpecification.1.ResourceType", resource).tags("TagSpecification.1.Tag", &tags)
}

#[async_trait]
impl Cloud for AwsCloud {
    fn provider(&self) -> &'static str {
        "aws"
    }

    fn region(&self) -> &RegionId {
        &self.config.region
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all().without(&[Operation::Prices, Operation::Quotas, Operation::Measurements])
    }

    async fn identity(&self) -> CloudResult<Identity> {
        let answer: answer::GetCallerIdentity =
            self.call(STS, "GetCallerIdentity", Params::default()).await?;
        Ok(Identity { account: answer.result.account, principal: answer.result.arn })
    }

    async fn regions(&self) -> CloudResult<Vec<Region>> {
        let answer: answer::DescribeRegions = self.ec2("DescribeRegions", Params::default()).await?;
        let region = |item: answer::RegionItem| Region { name: item.id.clone(), id: RegionId::new(item.id) };
        Ok(answer.regions.items.into_iter().map(region).collect())
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        let answer: answer::DescribeAvailabilityZones =
            self.ec2("DescribeAvailabilityZones", Params::default()).await?;
        let zone =
            |item: answer::ZoneItem| Zone { id: ZoneId::new(item.id), available: item.state == "available" };
        Ok(answer.zones.items.into_iter().map(zone).collect())
    }

    async fn instance_types(&self, next: Option<PageToken>) -> CloudResult<Page<InstanceType>> {
        let answer: answer::DescribeInstanceTypes = self.ec2("DescribeInstanceTypes", by_token(next)).await?;
        Ok(page(answer.types, answer.next))
    }

    async fn instances(
        &self,
        filter: &InstanceFilter,
        next: Option<PageToken>,
    ) -> CloudResult<Page<Instance>> {
        let tags = (1..).zip(&filter.tags).fold(Params::default(), |params, (n, (key, value))| {
            params
                .set(format!("Filter.{n}.Name"), format!("tag:{key}"))
                .set(format!("Filter.{n}.Value.1"), value)
        });
        // Ids and pages cannot go together.
        let params = if filter.ids.is_empty() {
            let size = filter.page_size.unwrap_or(PAGE).clamp(5, 1_000);
            tags.set("MaxResults", size).maybe("NextToken", next.as_ref().map(PageToken::as_str))
        } else {
            tags.list("InstanceId", &filter.ids)
        };
        let answer: answer::DescribeInstances = self.ec2("DescribeInstances", params).await?;
        let instances =
            answer.reservations.items.into_iter().flat_map(|reservation| reservation.instances.items);
        Ok(Page { items: instances.map(Instance::from).collect(), next: PageToken::new(answer.next) })
    }

    async fn launch(&self, input: &LaunchInput) -> CloudResult<InstanceId> {
        let user_data = input.user_data.as_ref().map(|data| BASE64_STANDARD.encode(data.expose()));
        let spot = (input.market == Market::Spot).then_some("spot");
        let mut params = Params::of("ClientToken", &input.token)
            .set("MinCount", 1)
            .set("MaxCount", 1)
            .set("InstanceType", &input.instance_type)
            .set("ImageId", &input.image)
            .maybe("InstanceMarketOptions.MarketType", spot)
            .maybe("Placement.AvailabilityZone", input.zone.as_ref())
            .maybe("SubnetId", input.subnet.as_ref())
            .list("SecurityGroupId", &input.security_groups)
            .maybe("UserData", user_data);
        if let Some(size) = input.root_disk {
            params = self.root_disk(params, input, size).await?;
        }
        let params = named(params, "instance", &input.name, &input.all_tags());
        let answer: answer::RunInstances = self.ec2("RunInstances", params).await?;
        let machine = answer.instances.items.into_iter().next();
        let machine = machine.ok_or_else(|| CloudError::garbled("a launch without a machine"))?;
        Ok(Instance::from(machine).id)
    }

    async fn power(&self, id: &InstanceId, power: Power) -> CloudResult<()> {
        let action = match power {
            Power::Start => "StartInstances",
            Power::Stop => "StopInstances",
            Power::Reboot => "RebootInstances",
            Power::Terminate => "TerminateInstances",
        };
        self.ec2::<Accepted>(action, Params::of("InstanceId.1", id)).await.map(drop)
    }

    async fn resize(&self, id: &InstanceId, to: &InstanceTypeName) -> CloudResult<()> {
        let params = Params::of("InstanceId", id).set("InstanceType.Value", to);
        self.ec2::<Accepted>("ModifyInstanceAttribute", params).await.map(drop)
    }

    async fn tag(&self, id: &InstanceId, tags: &Labels) -> CloudResult<()> {
        let params = Params::of("ResourceId.1", id).tags("Tag", tags);
        self.ec2::<Accepted>("CreateTags", params).await.map(drop)
    }

    async fn console_output(&self, id: &InstanceId) -> CloudResult<ConsoleOutput> {
        let answer: answer::GetConsoleOutput =
            self.ec2("GetConsoleOutput", Params::of("InstanceId", id)).await?;
        // The API breaks the base64 into lines.
        let output: String = answer.output.split_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(output).map_err(CloudError::garbled)?;
        Ok(ConsoleOutput::last_of(&bytes, time(&answer.at)))
    }

    async fn volumes(&self, next: Option<PageToken>) -> CloudResult<Page<Volume>> {
        let answer: answer::DescribeVolumes = self.ec2("DescribeVolumes", by_token(next)).await?;
        Ok(page(answer.volumes, answer.next))
    }

    async fn create_volume(&self, input: &CreateVolumeInput) -> CloudResult<VolumeId> {
        let params = Params::of("AvailabilityZone", &input.zone)
            .set("Size", gibibytes(input.size))
            .set("VolumeType", input.class.as_deref().unwrap_or("gp3"));
        let params = named(params, "volume", &input.name, &input.tags);
        let answer: answer::CreateVolume = self.ec2("CreateVolume", params).await?;
        Ok(VolumeId::new(answer.id))
    }

    /// EC2 wants a device name; this takes the first that the machine does not use.
    async fn attach_volume(&self, id: &VolumeId, to: &InstanceId) -> CloudResult<()> {
        let params = Params::of("Filter.1.Name", "attachment.instance-id").set("Filter.1.Value.1", to);
        let held: answer::DescribeVolumes = self.ec2("DescribeVolumes", params).await?;
        if held.volumes.items.iter().any(|volume| volume.id == id.as_str()) {
            return Ok(());
        }
        let used: Vec<String> = held
            .volumes
            .items
            .into_iter()
            .flat_map(|volume| volume.attachments.items)
            .map(|attachment| attachment.device)
            .collect();
        // The names that EC2 recommends for disks besides the first.
        let device = ('f'..='p').map(|letter| format!("/dev/sd{letter}")).find(|name| !used.contains(name));
        let Some(device) = device else {
            let message = format!("machine {to} has no device name left for another disk");
            return Err(CloudError::new(ErrorKind::Conflict, message));
        };
        let params = Params::of("VolumeId", id).set("InstanceId", to).set("Device", device);
        self.ec2::<Accepted>("AttachVolume", params).await.map(drop)
    }

    async fn detach_volume(&self, id: &VolumeId, from: &InstanceId) -> CloudResult<()> {
        let params = Params::of("VolumeId", id).set("InstanceId", from);
        self.ec2::<Accepted>("DetachVolume", params).await.map(drop)
    }

    async fn delete_volume(&self, id: &VolumeId) -> CloudResult<()> {
        self.ec2::<Accepted>("DeleteVolume", Params::of("VolumeId", id)).await.map(drop)
    }

    async fn snapshots(&self, next: Option<PageToken>) -> CloudResult<Page<Snapshot>> {
        let params = by_token(next).set("Owner.1", "self");
        let answer: answer::DescribeSnapshots = self.ec2("DescribeSnapshots", params).await?;
        Ok(page(answer.snapshots, answer.next))
    }

    async fn create_snapshot(&self, of: &VolumeId, name: &str) -> CloudResult<SnapshotId> {
        let params = named(Params::of("VolumeId", of), "snapshot", name, &Labels::new());
        let answer: answer::CreateSnapshot = self.ec2("CreateSnapshot", params).await?;
        Ok(SnapshotId::new(answer.id))
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> CloudResult<()> {
        self.ec2::<Accepted>("DeleteSnapshot", Params::of("SnapshotId", id)).await.map(drop)
    }

    /// There are tens of thousands of public images, so name a part.
    async fn images(&self, filter: &ImageFilter, next: Option<PageToken>) -> CloudResult<Page<Image>> {
        let mut params = by_token(next);
        if let Some(part) = &filter.name {
            params = params.set("Filter.1.Name", "name").set("Filter.1.Value.1", format!("*{part}*"));
        }
        let answer: answer::DescribeImages = self.ec2("DescribeImages", params).await?;
        Ok(page(answer.images, answer.next))
    }

    async fn networks(&self) -> CloudResult<Vec<Network>> {
        every_page(async |next| {
            let answer: answer::DescribeVpcs = self.ec2("DescribeVpcs", by_token(next)).await?;
            Ok(page(answer.vpcs, answer.next))
        })
        .await
    }

    async fn subnets(&self) -> CloudResult<Vec<Subnet>> {
        every_page(async |next| {
            let answer: answer::DescribeSubnets = self.ec2("DescribeSubnets", by_token(next)).await?;
            Ok(page(answer.subnets, answer.next))
        })
        .await
    }

    async fn security_groups(&self) -> CloudResult<Vec<SecurityGroup>> {
        every_page(async |next| {
            let answer: answer::DescribeSecurityGroups =
                self.ec2("DescribeSecurityGroups", by_token(next)).await?;
            Ok(page(answer.groups, answer.next))
        })
        .await
    }

    async fn create_security_group(&self, input: &CreateSecurityGroupInput) -> CloudResult<SecurityGroupId> {
        let params = Params::of("GroupName", &input.name)
            .set("GroupDescription", "made by Lepton")
            .set("VpcId", &input.network);
        let answer: answer::CreateSecurityGroup = self.ec2("CreateSecurityGroup", params).await?;
        let id = SecurityGroupId::new(answer.id);
        if let Err(error) = self.close(&id, &input.rules).await {
            // A group that lets out more than was asked for must not stay.
            self.delete_security_group(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// The API refuses rules that are there already.
    async fn allow(&self, group: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        let known = if rules.is_empty() { Vec::new() } else { self.rules(group).await? };
        for (action, direction) in [
            ("AuthorizeSecurityGroupIngress", Direction::In),
            ("AuthorizeSecurityGroupEgress", Direction::Out),
        ] {
            let new = rules.iter().filter(|rule| rule.direction == direction && !known.contains(rule));
            let new: Vec<&Rule> = new.collect();
            if !new.is_empty() {
                self.ec2::<Accepted>(action, permissions(group, &new)).await?;
            }
        }
        Ok(())
    }

    async fn delete_security_group(&self, id: &SecurityGroupId) -> CloudResult<()> {
        self.ec2::<Accepted>("DeleteSecurityGroup", Params::of("GroupId", id)).await.map(drop)
    }

    async fn set_security_groups(&self, id: &InstanceId, groups: &[SecurityGroupId]) -> CloudResult<()> {
        let params = Params::of("InstanceId", id).list("GroupId", groups);
        self.ec2::<Accepted>("ModifyInstanceAttribute", params).await.map(drop)
    }

    /// Target groups; one call for the list and one for the targets of each.
    async fn pools(&self) -> CloudResult<Vec<Pool>> {
        let groups: Vec<answer::TargetGroupItem> = every_page(async |next| {
            let params = Params::of("PageSize", PAGE).maybe("Marker", next.as_ref().map(PageToken::as_str));
            let answer: answer::DescribeTargetGroups = self.call(ELB, "DescribeTargetGroups", params).await?;
            Ok(page(answer.result.groups, answer.result.next))
        })
        .await?;
        let mut pools = Vec::new();
        for group in groups {
            let params = Params::of("TargetGroupArn", &group.arn);
            let answer: answer::DescribeTargetHealth = self.call(ELB, "DescribeTargetHealth", params).await?;
            let targets = answer.result.targets.items.into_iter().filter_map(|item| {
                Some(Target { instance: InstanceId::new(item.target.id), port: item.target.port? })
            });
            pools.push(Pool { id: PoolId::new(group.arn), name: group.name, targets: targets.collect() });
        }
        Ok(pools)
    }

    async fn register(&self, pool: &PoolId, target: &Target) -> CloudResult<()> {
        self.call::<Accepted>(ELB, "RegisterTargets", targets(pool, target)).await.map(drop)
    }

    async fn deregister(&self, pool: &PoolId, target: &Target) -> CloudResult<()> {
        match self.call::<Accepted>(ELB, "DeregisterTargets", targets(pool, target)).await {
            // Not there, which is what was wanted.
            Err(error) if error.code.as_deref() == Some("InvalidTarget") => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

impl AwsCloud {
    /// A new group lets everything out: takes that away, then lets through what is wanted.
    async fn close(&self, id: &SecurityGroupId, rules: &[Rule]) -> CloudResult<()> {
        let known = self.rules(id).await?;
        if !known.is_empty() {
            let known: Vec<&Rule> = known.iter().collect();
            self.ec2::<Accepted>("RevokeSecurityGroupEgress", permissions(id, &known)).await?;
        }
        self.allow(id, rules).await
    }

    async fn rules(&self, group: &SecurityGroupId) -> CloudResult<Vec<Rule>> {
        let answer: answer::DescribeSecurityGroups =
            self.ec2("DescribeSecurityGroups", Params::of("GroupId.1", group)).await?;
        Ok(answer.groups.items.into_iter().flat_map(|item| SecurityGroup::from(item).rules).collect())
    }

    /// The first disk is named by its device, which differs by image.
    async fn root_disk(&self, params: Params, input: &LaunchInput, size: Bytes) -> CloudResult<Params> {
        let answer: answer::DescribeImages =
            self.ec2("DescribeImages", Params::of("ImageId.1", &input.image)).await?;
        let device =
            answer.images.items.into_iter().map(|image| image.root_device).find(|name| !name.is_empty());
        let Some(device) = device else {
            let message = format!("image {} does not say what its first disk is called", input.image);
            return Err(CloudError::new(ErrorKind::Invalid { field: Some("image".into()) }, message));
        };
        let size = gibibytes(size);
        Ok(params
            .set("BlockDeviceMapping.1.DeviceName", device)
            .set("BlockDeviceMapping.1.Ebs.VolumeSize", size)
            .set("BlockDeviceMapping.1.Ebs.DeleteOnTermination", true))
    }
}

fn permissions(group: &SecurityGroupId, rules: &[&Rule]) -> Params {
    (1..).zip(rules).fold(Params::of("GroupId", group), |params, (n, rule)| {
        let v6 = rule.peer.contains(':');
        let (protocol, ports) = match rule.protocol {
            Protocol::Tcp(from, to) => ("tcp", Some((i32::from(from), i32::from(to)))),
            Protocol::Udp(from, to) => ("udp", Some((i32::from(from), i32::from(to)))),
            Protocol::Icmp => (if v6 { "icmpv6" } else { "icmp" }, Some((-1, -1))),
            Protocol::All => ("-1", None),
        };
        let peer = if v6 { "Ipv6Ranges.1.CidrIpv6" } else { "IpRanges.1.CidrIp" };
        params
            .set(format!("IpPermissions.{n}.IpProtocol"), protocol)
            .maybe(&format!("IpPermissions.{n}.FromPort"), ports.map(|(from, _)| from))
            .maybe(&format!("IpPermissions.{n}.ToPort"), ports.map(|(_, to)| to))
            .set(format!("IpPermissions.{n}.{peer}"), &rule.peer)
    })
}

fn targets(pool: &PoolId, target: &Target) -> Params {
    Params::of("TargetGroupArn", pool)
        .set("Targets.member.1.Id", &target.instance)
        .set("Targets.member.1.Port", target.port)
}
