//! Offers: machines that can be rented, as facts of a day.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Bytes, Cpu, Day, Money};

/// Text that many offers share: region names, instance types.
pub type SharedText = Arc<str>;

/// How a machine is rented.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// Yours until you give it back.
    #[default]
    OnDemand,
    /// Cheaper; the cloud may take it back.
    Spot,
}

impl Market {
    /// `on_demand` or `spot`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on_demand",
            Self::Spot => "spot",
        }
    }
}

/// A machine that can be rented, at the price of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Offer {
    /// The cloud: `aliyun`, `aws`, …
    #[schema(value_type = String, example = "aliyun")]
    pub cloud: SharedText,
    /// Its region.
    #[schema(value_type = String, example = "cn-hangzhou")]
    pub region: SharedText,
    /// Its zone, where the price is of one zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub zone: Option<SharedText>,
    /// The cloud's name for the machine.
    #[schema(value_type = String, example = "ecs.g7.2xlarge")]
    pub instance_type: SharedText,
    /// `x86_64`, `arm64`, …
    #[schema(value_type = String, example = "x86_64")]
    pub arch: SharedText,
    /// Processor cores, as the cloud counts them.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Bytes,
    /// Whole GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Their model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gpu_model: Option<SharedText>,
    /// How it is rented.
    pub market: Market,
    /// Of spot machines, the share that was taken back within a month; the upper edge where a range is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0.05")]
    pub interruption: Option<Decimal>,
    /// Price of one hour.
    pub price_hour: Money,
    /// The day of the price.
    pub as_of: Day,
    /// Where price and figures come from.
    #[schema(value_type = String)]
    pub source: SharedText,
}
