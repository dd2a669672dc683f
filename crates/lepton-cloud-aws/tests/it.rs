//! AWS's adapter against moto, an independent emulator that checks signatures and permissions: `tests/oracles/moto.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/moto.rs"]
mod moto;
#[path = "it/wire.rs"]
mod wire;

use lepton_cloud::Credentials;
use lepton_cloud::words::RegionId;
use lepton_cloud_aws::{AwsCloud, AwsConfig};

fn connect(address: &str, credentials: Credentials) -> AwsCloud {
    let mut config = AwsConfig::new(RegionId::new("eu-central-1"), credentials);
    config.endpoint = address.to_owned();
    AwsCloud::connect(config).unwrap()
}
