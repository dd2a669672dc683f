//! What can be asked of a cloud, one word per method of [`Cloud`](crate::Cloud), and which of it a cloud can do.

use std::fmt;

use serde::{Serialize, Serializer};

/// What repeating an operation does, when it is not known whether the first time took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something; twice is the same as once.
    Idempotent,
    /// Twice makes two. Never repeated blindly.
    Once,
}

macro_rules! operations {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $effect:ident;)+) => {
        /// One thing that a cloud may be asked to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[$doc])+ $variant,)+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in logs, metrics and tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What repeating it does.
            pub const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }
        }
    };
}

operations! {
    /// Whose credentials these are.
    Identity = "identity", Read;
    /// Where else the account can rent.
    Regions = "regions", Read;
    /// The failure domains of this region.
    Zones = "zones", Read;
    /// Kinds of machine.
    InstanceTypes = "instance_types", Read;
    /// What they cost.
    Prices = "prices", Read;
    /// How much the account may have.
    Quotas = "quotas", Read;
    /// Machines that there are.
    Instances = "instances", Read;
    /// Rent a machine.
    Launch = "launch", Once;
    /// Start a stopped machine.
    Start = "start", Idempotent;
    /// Stop a machine and keep its disks.
    Stop = "stop", Idempotent;
    /// Restart a machine.
    Reboot = "reboot", Idempotent;
    /// Give a machine back.
    Terminate = "terminate", Idempotent;
    /// Give a stopped machine another type.
    Resize = "resize", Idempotent;
    /// Set tags of a machine.
    Tag = "tag", Idempotent;
    /// What the machine wrote to its console.
    ConsoleOutput = "console_output", Read;
    /// Disks that there are.
    Volumes = "volumes", Read;
    /// Make a disk.
    CreateVolume = "create_volume", Once;
    /// Give a disk to a machine.
    AttachVolume = "attach_volume", Idempotent;
    /// Take a disk from its machine.
    DetachVolume = "detach_volume", Idempotent;
    /// Delete a disk.
    DeleteVolume = "delete_volume", Idempotent;
    /// Snapshots that there are.
    Snapshots = "snapshots", Read;
    /// Make a snapshot of a disk.
    CreateSnapshot = "create_snapshot", Once;
    /// Delete a snapshot.
    DeleteSnapshot = "delete_snapshot", Idempotent;
    /// Images to start from.
    Images = "images", Read;
    /// Networks that there are.
    Networks = "networks", Read;
    /// Subnets that there are.
    Subnets = "subnets", Read;
    /// Security groups and their rules.
    SecurityGroups = "security_groups", Read;
    /// Make a security group that lets nothing through but its rules.
    CreateSecurityGroup = "create_security_group", Once;
    /// Let more through.
    Allow = "allow", Idempotent;
    /// Delete a security group.
    DeleteSecurityGroup = "delete_security_group", Idempotent;
    /// Put a machine into exactly these security groups.
    SetSecurityGroups = "set_security_groups", Idempotent;
    /// Load balancers' pools and their targets.
    Pools = "pools", Read;
    /// Add a target to a pool.
    Register = "register", Idempotent;
    /// Take a target out of a pool.
    Deregister = "deregister", Idempotent;
    /// What the cloud measured of a machine.
    Measurements = "measurements", Read;
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a cloud can do. What is not in here is refused before any call.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

const _: () = assert!(Operation::ALL.len() <= 64, "the set has 64 places");

impl Capabilities {
    /// Everything there is.
    pub const fn all() -> Self {
        Self::of(Operation::ALL)
    }

    /// Exactly these.
    pub const fn of(operations: &[Operation]) -> Self {
        let (mut bits, mut rest) = (0, operations);
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u64;
            rest = others;
        }
        Self(bits)
    }

    /// All of it but these.
    #[must_use]
    pub const fn without(self, operations: &[Operation]) -> Self {
        Self(self.0 & !Self::of(operations).0)
    }

    /// Whether it is in here.
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & (1 << operation as u64) != 0
    }

    /// What is in here, in the order of [`Operation::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.iter().copied().filter(move |operation| self.contains(*operation))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Operation::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Capabilities::of(&[Operation::Launch, Operation::Measurements]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Operation::Launch, Operation::Measurements]);
        assert!(!set.contains(Operation::Identity));
        assert_eq!(set.without(&[Operation::Launch]), Capabilities::of(&[Operation::Measurements]));
        assert_eq!(Capabilities::all().iter().count(), Operation::ALL.len());
    }
}
