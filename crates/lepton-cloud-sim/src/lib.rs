//! A cloud that exists only in memory, for tests and for trying Lepton without an account.
//!
//! It has several regions and what makes real clouds hard: prices that differ and move, shortages, quotas, spot machines that
//! are taken back, slow and lost answers, throttling, lists that lag behind, launches that take effect though the caller saw
//! them time out, and regions that go dark. All of it follows from one seed, and time is tokio's, so that a test with a paused
//! clock runs through hours in a moment and the same way each time. It passes the conformance suite of `lepton-cloud`.
//!
//! It is not an emulator of anybody's API, and its numbers are nobody's prices.
//!
//! ```
//! use lepton_cloud::{Cloud, Operation};
//! use lepton_cloud_sim::{SimConfig, SimWorld};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let world = SimWorld::new(SimConfig { seed: 7, ..SimConfig::default() });
//! let east = world.connect("east").ok_or("no such region")?;
//! assert!(east.capabilities().contains(Operation::Launch));
//! assert_eq!(east.zones().await?.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;
mod fate;
mod machine;
mod market;
mod region;
mod world;

pub use adapter::SimCloud;
pub use fate::Faults;
pub use world::{SimConfig, SimWorld};
