//! Ids as clouds give them, told apart by type, and the token that Lepton gives to a launch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// An id as a cloud gave it.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// As the cloud writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )+};
}

ids! {
    /// A region, such as `cn-hangzhou`.
    RegionId;
    /// A zone of a region, such as `cn-hangzhou-h`.
    ZoneId;
    /// A machine.
    InstanceId;
    /// A kind of machine, such as `ecs.g7.large`.
    InstanceTypeName;
    /// A disk.
    VolumeId;
    /// A snapshot of a disk.
    SnapshotId;
    /// An image to start from.
    ImageId;
    /// A network (VPC).
    NetworkId;
    /// A subnet (vSwitch).
    SubnetId;
    /// A security group.
    SecurityGroupId;
    /// A pool of targets behind a load balancer.
    PoolId;
}

/// Name of one launch, chosen and recorded by the caller before anything is sent: 1 to 64 of `a-z`, `A-Z`, `0-9`, `-`.
///
/// It travels as the cloud's client token and as a tag, so that a launch whose answer was lost can be found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LaunchToken(Box<str>);

/// Why a text is not a [`LaunchToken`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a launch token; use 1 to 64 letters, digits and '-'")]
pub struct TokenError(String);

impl LaunchToken {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LaunchToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        // What all clouds accept as a client token.
        if allowed && (1..=64).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(TokenError(text.chars().take(100).collect()))
        }
    }
}

impl fmt::Display for LaunchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for LaunchToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
