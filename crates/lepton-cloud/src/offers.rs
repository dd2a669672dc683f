//! The offer catalog: what can be rented, where, at what price, as of which day, from which source.

use serde::{Deserialize, Serialize};

/// How a machine is rented.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// Yours until you give it back.
    OnDemand,
    /// Cheaper; the cloud may take it back.
    Spot,
}
