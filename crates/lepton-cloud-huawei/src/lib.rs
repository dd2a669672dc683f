//! Huawei Cloud behind Lepton's seam.
//!
//! ECS, EVS, IMS, VPC and IAM by their REST APIs, signed as SDK-HMAC-SHA256. What takes long here is a job: the cloud accepts
//! it, and whether it succeeds is told by the job alone, so launches look after theirs.
//!
//! ```text
//! adapter   one method of the trait = one call, or a few
//!    │ path, query, JSON            ▲ words of lepton-cloud
//! client    sign, send, judge       answer: the JSON of each call
//! ```
//!
//! Not here yet: prices (the API of the billing service), load balancers, Cloud Eye.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lepton_cloud::{Cloud, Credentials, words::RegionId};
//! use lepton_cloud_huawei::{ENVIRONMENT, HuaweiCloud, HuaweiConfig};
//! let credentials = Credentials::from_environment(ENVIRONMENT, |name| std::env::var(name).ok())?;
//! let project = std::env::var("HUAWEICLOUD_SDK_PROJECT_ID")?;
//! let cloud = HuaweiCloud::connect(HuaweiConfig::new(RegionId::new("cn-north-4"), project, credentials))?;
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

/// The environment variables of Huawei Cloud's own tools.
pub const ENVIRONMENT: CredentialNames = CredentialNames {
    key_id: "HUAWEICLOUD_SDK_AK",
    secret: "HUAWEICLOUD_SDK_SK",
    session_token: "HUAWEICLOUD_SDK_SECURITY_TOKEN",
};

/// How a region is reached.
#[derive(Debug, Clone)]
pub struct HuaweiConfig {
    /// Which one.
    pub region: RegionId,
    /// The account's project in it.
    pub project: String,
    /// Whose account.
    pub credentials: Credentials,
    /// Where each service listens; `{service}` and `{region}` stand for themselves.
    pub endpoint: String,
    /// The time in signatures.
    pub clock: Clock,
}

impl HuaweiConfig {
    /// The public endpoints and the machine's clock.
    pub fn new(region: RegionId, project: impl Into<String>, credentials: Credentials) -> Self {
        let endpoint = "https://{service}.{region}.myhuaweicloud.com".to_owned();
        Self { region, project: project.into(), credentials, endpoint, clock: machine_clock }
    }
}

/// One project in one region of Huawei Cloud.
pub struct HuaweiCloud {
    config: HuaweiConfig,
    wire: Wire,
}

impl HuaweiCloud {
    /// Makes ready; connects with the first call.
    ///
    /// # Errors
    /// This machine has no certificates to trust.
    pub fn connect(config: HuaweiConfig) -> CloudResult<Self> {
        Ok(Self { wire: Wire::new()?, config })
    }
}
