//! Machines: what there is, how one is launched, what it says.

use std::net::IpAddr;
use std::time::Duration;

use lepton_model::{Bytes, Labels, Name, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    ImageId, InstanceId, InstanceTypeName, LaunchToken, NetworkId, SecurityGroupId, SubnetId, ZoneId,
};
use crate::credentials::Secret;
use lepton_model::Market;

/// Where a machine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Being made or started.
    Pending,
    /// Runs.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Stopped; its disks are kept.
    Stopped,
    /// Given back, or on the way there. It will not come back.
    Terminated,
    /// The cloud could not make it or calls it broken.
    Failed,
    /// A state this version does not know.
    Unknown,
}

/// A machine as its cloud shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its name for people; may be empty.
    pub name: String,
    /// Its kind.
    pub instance_type: InstanceTypeName,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Where it stands.
    pub zone: Option<ZoneId>,
    /// How it is rented.
    pub market: Market,
    /// What it started from.
    pub image: Option<ImageId>,
    /// Its network.
    pub network: Option<NetworkId>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Its security groups.
    pub security_groups: Vec<SecurityGroupId>,
    /// Addresses inside its network.
    pub private_addresses: Vec<IpAddr>,
    /// Addresses on the Internet.
    pub public_addresses: Vec<IpAddr>,
    /// Its tags.
    pub tags: Labels,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

impl Instance {
    /// Whether it exists as something one pays for or can start again.
    pub fn is_live(&self) -> bool {
        self.state != InstanceState::Terminated
    }

    /// The launch that made it, if it was one of ours.
    pub fn launch_token(&self) -> Option<LaunchToken> {
        self.tags.get(LaunchInput::TOKEN_TAG)?.parse().ok()
    }
}

/// Which machines to list. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceFilter {
    /// Only these, at most 100.
    pub ids: Vec<InstanceId>,
    /// Only those that carry all of these tags.
    pub tags: Labels,
    /// Machines on a page; the cloud may give fewer, and has its own most. Unset is the cloud's own number.
    pub page_size: Option<u32>,
}

impl InstanceFilter {
    /// One machine.
    pub fn id(id: &InstanceId) -> Self {
        Self { ids: vec![id.clone()], ..Self::default() }
    }

    /// Those with this tag.
    pub fn tag(key: &str, value: &str) -> Self {
        Self { tags: [(key.to_owned(), value.to_owned())].into(), ..Self::default() }
    }

    /// Whether a machine is one of them. For clouds that cannot filter by themselves.
    pub fn matches(&self, instance: &Instance) -> bool {
        (self.ids.is_empty() || self.ids.contains(&instance.id))
            && self.tags.iter().all(|(key, value)| instance.tags.get(key) == Some(value))
    }
}

/// The machine that is wanted.
#[derive(Debug, Clone)]
pub struct LaunchInput {
    /// Name of this launch, recorded before it is sent.
    pub token: LaunchToken,
    /// The estate it is for. The sweep gives back only what carries it.
    pub estate: Name,
    /// The machine's name.
    pub name: Name,
    /// Its kind.
    pub instance_type: InstanceTypeName,
    /// How it is rented.
    pub market: Market,
    /// What it starts from.
    pub image: ImageId,
    /// Where; unset lets the cloud choose.
    pub zone: Option<ZoneId>,
    /// In which subnet; unset is the cloud's default.
    pub subnet: Option<SubnetId>,
    /// In which security groups; empty is the cloud's default.
    pub security_groups: Vec<SecurityGroupId>,
    /// Size of its first disk; unset is the image's.
    pub root_disk: Option<Bytes>,
    /// What cloud-init gets, at most 16 KiB. It often holds a join token, so it never prints.
    pub user_data: Option<Secret>,
    /// Tags besides those of the launch itself.
    pub tags: Labels,
}

impl LaunchInput {
    /// Tag that holds the launch token.
    pub const TOKEN_TAG: &'static str = "lepton-launch";
    /// Tag that holds the estate.
    pub const ESTATE_TAG: &'static str = "lepton-estate";
    /// Most bytes of user data that every cloud takes.
    pub const MAX_USER_DATA: usize = 16 << 10;

    /// All tags that the machine must carry from its first moment.
    pub fn all_tags(&self) -> Labels {
        let own = [(Self::TOKEN_TAG, self.token.as_str()), (Self::ESTATE_TAG, self.estate.as_str())];
        let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.tags.clone().into_iter().chain(own).collect()
    }
}

/// An image to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name.
    pub name: String,
    /// `amd64` or `arm64`, where the cloud says so.
    pub architecture: Option<String>,
    /// Smallest first disk it fits on.
    pub min_disk: Option<Bytes>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// Which images to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Only those whose name contains this.
    pub name: Option<String>,
}

/// What a machine wrote to its console.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleOutput {
    /// The last of it, at most 64 KiB; what was not UTF-8 is replaced.
    pub text: String,
    /// When the cloud read it.
    pub at: Option<Timestamp>,
}

impl ConsoleOutput {
    /// Most that is kept, in bytes.
    pub const MAX: usize = 64 << 10;

    /// The last of what a cloud gave.
    pub fn last_of(bytes: &[u8], at: Option<Timestamp>) -> Self {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let surplus = text.len().saturating_sub(Self::MAX);
        let cut = (surplus..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.drain(..cut);
        Self { text, at }
    }
}

/// What clouds measure from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Percent of all cores.
    CpuPercent,
    /// Bytes per second in.
    NetworkReceive,
    /// Bytes per second out.
    NetworkTransmit,
}

/// What to read of what the cloud measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasurementsInput {
    /// Of which machine.
    pub instance: InstanceId,
    /// What.
    pub measure: Measure,
    /// From here on.
    pub from: Timestamp,
    /// Until here.
    pub to: Timestamp,
    /// One value for each; the cloud may have only longer ones.
    pub step: Duration,
}

/// One value that the cloud measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// When.
    pub at: Timestamp,
    /// In the unit of its [`Measure`].
    pub value: f64,
}
