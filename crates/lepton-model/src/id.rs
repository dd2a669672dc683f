//! Typed ids. One line per id, so that a plan's id is never taken for an incident's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A UUIDv7 from a moment and 74 random bits, both handed in.
            pub fn from_parts(now: $crate::Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        $crate::object::string_schema!($name, "UUID, version 7", "01939b1c-6f0e-7b2a-9d3c-1f2e3d4c5b6a", format = "uuid");
    )*};
}

uuid_ids! {
    /// Identity of an object over its whole life: a service deleted and made again under its old name has another.
    Uid;
    /// A [`crate::Plan`].
    PlanId;
    /// A [`crate::TimelineEntry`]; re-sent entries are recognised by it.
    EventId;
    /// An incident.
    IncidentId;
    /// A token (its identity, never its secret).
    TokenId;
}
