//! The simulated cloud: the suite, and what Lepton's own rules make of clouds that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/conforms.rs"]
mod conforms;
#[path = "it/guarded.rs"]
mod guarded;
#[path = "it/leaks.rs"]
mod leaks;
#[path = "it/market.rs"]
mod market;

use lepton_cloud::words::{ImageId, InstanceTypeName, LaunchInput};
use lepton_model::Market;
use lepton_model::{Labels, Name};

/// A small machine under this token.
fn wanted(token: &str) -> LaunchInput {
    LaunchInput {
        token: token.parse().unwrap(),
        estate: Name::new("test").unwrap(),
        name: Name::new("web").unwrap(),
        instance_type: InstanceTypeName::new("general.small"),
        market: Market::OnDemand,
        image: ImageId::new("img-debian-13"),
        zone: None,
        subnet: None,
        security_groups: Vec::new(),
        root_disk: None,
        user_data: None,
        tags: Labels::new(),
    }
}
