//! Tencent Cloud behind Lepton's seam.
//!
//! CVM, CBS, VPC, STS and the tag service by their 3.0 APIs, signed as TC3-HMAC-SHA256: POST, JSON in and out.
//!
//! ```text
//! adapter   one method of the trait = one action, or a few
//!    │ JSON                         ▲ words of lepton-cloud
//! client    sign, send, judge       answer: the JSON of each action
//! ```
//!
//! Not here yet: console output (the API gives none), load balancers, monitoring, quotas.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lepton_cloud::{Cloud, Credentials, words::RegionId};
//! use lepton_cloud_tencent::{ENVIRONMENT, TencentCloud, TencentConfig};
//! let credentials = Credentials::from_environment(ENVIRONMENT, |name| std::env::var(name).ok())?;
//! let cloud = TencentCloud::connect(TencentConfig::new(RegionId::new("ap-guangzhou"), credentials))?;
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
use lepton_model::Currency;

/// The environment variables of Tencent Cloud's own tools.
pub const ENVIRONMENT: CredentialNames = CredentialNames {
    key_id: "TENCENTCLOUD_SECRET_ID",
    secret: "TENCENTCLOUD_SECRET_KEY",
    session_token: "TENCENTCLOUD_TOKEN",
};

/// How a region is reached.
#[derive(Debug, Clone)]
pub struct TencentConfig {
    /// Which one.
    pub region: RegionId,
    /// Whose account.
    pub credentials: Credentials,
    /// Where each service listens; `{service}` stands for itself.
    pub endpoint: String,
    /// What prices are in, which the API does not say: CNY, or USD for accounts of the international site.
    pub currency: Currency,
    /// The time in signatures.
    pub clock: Clock,
}

impl TencentConfig {
    /// The public endpoints, CNY and the machine's clock.
    pub fn new(region: RegionId, credentials: Credentials) -> Self {
        let endpoint = "https://{service}.tencentcloudapi.com".to_owned();
        Self { region, credentials, endpoint, currency: Currency::CNY, clock: machine_clock }
    }
}

/// One account in one region of Tencent Cloud.
pub struct TencentCloud {
    config: TencentConfig,
    wire: Wire,
}

impl TencentCloud {
    /// Makes ready; connects with the first call.
    ///
    /// # Errors
    /// This machine has no certificates to trust.
    pub fn connect(config: TencentConfig) -> CloudResult<Self> {
        Ok(Self { wire: Wire::new()?, config })
    }
}
