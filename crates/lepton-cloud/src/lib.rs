//! What every cloud has in common: one trait, one vocabulary, one set of errors.
//!
//! This crate talks to no cloud; an adapter crate per cloud does. An adapter is thin: it signs, sends, decodes and names
//! errors. All that is the same for every cloud is here, once:
//!
//! ```text
//! what Lepton wants ── launch_once · isolate · every_page
//!                         │
//!                      Guarded      capability, dry run, pace, time limit, retry, count
//!                         │ dyn Cloud
//!       lepton-cloud-sim · -aws · -aliyun · -tencent · -huawei
//!                         │ Wire
//!                      the cloud
//! ```
//!
//! * [`Cloud`]: one account in one region. What it can do is declared in [`Capabilities`]; the rest is refused unsent.
//! * [`CloudError`]: one variant per thing that a caller can do about it. `Transient` did not happen, `Unanswered` may have.
//! * [`launch`]: machines that are neither doubled nor leaked, whatever is lost on the way.
//! * [`offers`]: what can be rented and at what price.
//! * `conformance` (a feature): the suite that every adapter passes unchanged.
//!
//! ```
//! use std::sync::Arc;
//! use lepton_cloud::{Cloud, CloudResult, Guarded, GuardConfig, every_page, words::{Instance, InstanceFilter}};
//!
//! async fn inventory(cloud: Arc<dyn Cloud>) -> CloudResult<Vec<Instance>> {
//!     let cloud = Guarded::new(cloud, GuardConfig::default(), Arc::default());
//!     let all = InstanceFilter::default();
//!     every_page(|page| cloud.instances(&all, page)).await
//! }
//! ```

pub mod answer;
mod cloud;
#[cfg(feature = "conformance")]
pub mod conformance;
mod credentials;
mod error;
mod guard;
pub mod isolate;
pub mod launch;
pub mod offers;
mod operation;
mod page;
mod params;
pub mod sign;
pub mod wire;
pub mod words;

pub use cloud::{Cloud, Power, gibibytes};
pub use credentials::{CredentialError, CredentialNames, Credentials, Secret};
pub use error::{CloudError, CloudResult, Codes, ErrorKind, Refusal};
pub use guard::{CloudMetrics, GuardConfig, Guarded, Pace, PaceConfig, RetryBudget};
pub use launch::launch_once;
pub use operation::{Capabilities, Effect, Operation};
pub use page::{Page, PageToken, every_page};
pub use params::Params;
