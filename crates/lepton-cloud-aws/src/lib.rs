//! AWS behind Lepton's seam.
//!
//! EC2, Elastic Load Balancing and STS by their Query APIs: a form in, XML out, signed by the kept crate `aws-sigv4`. The SDK's
//! crate for EC2 takes 8 GB of memory to build, more than all of Lepton.
//!
//! ```text
//! adapter   one method of the trait = one action, or a few
//!    │ Params                       ▲ words of lepton-cloud
//! client    sign, send, judge       answer: the XML of each action
//! ```
//!
//! Not here yet: the price list, service quotas, CloudWatch.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lepton_cloud::{Cloud, Credentials, words::RegionId};
//! use lepton_cloud_aws::{AwsCloud, AwsConfig, ENVIRONMENT};
//! let credentials = Credentials::from_environment(ENVIRONMENT, |name| std::env::var(name).ok())?;
//! let cloud = AwsCloud::connect(AwsConfig::new(RegionId::new("eu-central-1"), credentials))?;
//! println!("{}", cloud.identity().await?.account);
//! # Ok(())
//! # }
//! ```

mod adapter;
mod answer;
mod client;
mod codes;

use lepton_cloud::wire::{Clock, Wire, machine_clock};
use lepton_cloud::words::RegionId;
use lepton_cloud::{CloudResult, CredentialNames, Credentials};

/// The environment variables of AWS's own tools.
pub const ENVIRONMENT: CredentialNames = CredentialNames {
    key_id: "AWS_ACCESS_KEY_ID",
    secret: "AWS_SECRET_ACCESS_KEY",
    session_token: "AWS_SESSION_TOKEN",
};

/// How a region is reached.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// Which one.
    pub region: RegionId,
    /// Whose account.
    pub credentials: Credentials,
    /// Where each service listens; `{service}` and `{region}` stand for themselves.
    pub endpoint: String,
    /// The time in signatures.
    pub clock: Clock,
}

impl AwsConfig {
    /// The public endpoints, those of the Chinese partition for its regions, and the machine's clock.
    pub fn new(region: RegionId, credentials: Credentials) -> Self {
        let partition = if region.as_str().starts_with("cn-") { ".cn" } else { "" };
        let endpoint = format!("https://{{service}}.{{region}}.amazonaws.com{partition}");
        Self { region, credentials, endpoint, clock: machine_clock }
    }
}

/// One account in one region of AWS.
pub struct AwsCloud {
    config: AwsConfig,
    wire: Wire,
}

impl AwsCloud {
    /// Makes ready; connects with the first call.
    ///
    /// # Errors
    /// This machine has no certificates to trust.
    pub fn connect(config: AwsConfig) -> CloudResult<Self> {
        Ok(Self { wire: Wire::new()?, config })
    }
}
