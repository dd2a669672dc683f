//! Alibaba Cloud behind Lepton's seam.
//!
//! ECS, VPC and STS by their RPC APIs, signed as ACS3-HMAC-SHA256: POST, parameters in the query, an empty body.
//!
//! ```text
//! adapter   one method of the trait = one action, or a few
//!    │ Params                       ▲ words of lepton-cloud
//! client    sign, send, judge       answer: the JSON of each action
//! ```
//!
//! Not here yet: server load balancers, CloudMonitor, quotas.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lepton_cloud::{Cloud, Credentials, words::RegionId};
//! use lepton_cloud_aliyun::{AliyunCloud, AliyunConfig, ENVIRONMENT};
//! let credentials = Credentials::from_environment(ENVIRONMENT, |name| std::env::var(name).ok())?;
//! let cloud = AliyunCloud::connect(AliyunConfig::new(RegionId::new("cn-hangzhou"), credentials))?;
//! println!("{}", cloud.identity().await?.account);
//! # Ok(())
//! # }
//! ```

mod adapter;
mod answer;
mod client;
mod codes;
mod sign;

use lepton_cloud::wire::{Clock, Wire, machine_clock};
use lepton_cloud::words::RegionId;
use lepton_cloud::{CloudResult, CredentialNames, Credentials};

/// The environment variables of Alibaba Cloud's own tools.
pub const ENVIRONMENT: CredentialNames = CredentialNames {
    key_id: "ALIBABA_CLOUD_ACCESS_KEY_ID",
    secret: "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    session_token: "ALIBABA_CLOUD_SECURITY_TOKEN",
};

/// How a region is reached.
#[derive(Debug, Clone)]
pub struct AliyunConfig {
    /// Which one.
    pub region: RegionId,
    /// Whose account.
    pub credentials: Credentials,
    /// Where each service listens; `{service}` and `{region}` stand for themselves.
    pub endpoint: String,
    /// The time in signatures.
    pub clock: Clock,
}

impl AliyunConfig {
    /// The public endpoints and the machine's clock.
    pub fn new(region: RegionId, credentials: Credentials) -> Self {
        let endpoint = "https://{service}.{region}.aliyuncs.com".to_owned();
        Self { region, credentials, endpoint, clock: machine_clock }
    }
}

/// One account in one region of Alibaba Cloud.
pub struct AliyunCloud {
    config: AliyunConfig,
    wire: Wire,
}

impl AliyunCloud {
    /// Makes ready; connects with the first call.
    ///
    /// # Errors
    /// This machine has no certificates to trust.
    pub fn connect(config: AliyunConfig) -> CloudResult<Self> {
        Ok(Self { wire: Wire::new()?, config })
    }
}
