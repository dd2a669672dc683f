//! The lake: every measurement, kept, on one machine.
//!
//! ```text
//! append(batch) ─► log (synced, then acknowledged) ─► head (compressed, in memory)
//!                                                      │ maintain(now) or memory full: cut
//!                                                      ▼
//!                       blocks, one Parquet file per window ─► merged per day ─► deleted by age and size
//!                                                      └─► downsampled tiers with their own age
//! scan · query · latest · series · label_values  read head and blocks as one
//! ```
//!
//! Rules a caller can rely on:
//!
//! - **Acknowledged means on disk.** [`Lake::append`] returns after the log is synced. A crash at any byte loses
//!   nothing acknowledged and brings nothing twice.
//! - **Sending twice is harmless.** The same series, instant and value counts as a duplicate. The same instant with
//!   another value replaces the first: the last write wins.
//! - **Late is fine.** Samples are taken in any order as long as they are not older than raw samples are kept; late
//!   ones reach the right block at the next cut, and downsampled tiers are made again.
//! - **Memory is bounded.** Past [`LakeConfig::head_limit`] appends answer [`AppendError::Busy`].
//! - **Time is an input.** Nothing here reads the clock: [`Lake::append`] and [`Lake::maintain`] are told.
//! - **Values keep their bits**, NaN payloads and so Prometheus' stale markers included.
//!
//! It is not a query language (`lepton-sql` is), not a wire protocol (`lepton-api` is) and not a cluster.
//!
//! ```
//! use lepton_lake::{Lake, LakeConfig, Selection};
//! # let dir = tempfile::tempdir()?;
//! let lake = Lake::open(LakeConfig::new(dir.path()))?;
//! let mut batch = lake.batch();
//! batch.series(&[("__name__", "load1"), ("node", "web-1")])?;
//! batch.sample(1_000, 0.5);
//! let outcome = lake.append(&batch, 1_000)?;
//! assert_eq!(outcome.accepted, 1);
//! let series: Vec<_> = lake.scan(&Selection::metric("load1"))?.collect::<Result<_, _>>()?;
//! assert_eq!(series[0].values, [0.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod block;
mod chunk;
mod config;
mod error;
mod flush;
mod head;
mod labels;
mod lake;
mod maintain;
mod query;
mod scan;
mod select;
mod snapshot;
mod tier;
mod varint;
pub mod wal;

pub use batch::{Batch, Sample};
pub use config::{LakeConfig, Tier};
pub use error::{AppendError, Appended, LakeError};
pub use labels::{LabelError, Labels, MAX_LABELS, MAX_NAME_BYTES, MAX_VALUE_BYTES, METRIC_LABEL, NODE_LABEL};
pub use lake::{Lake, LakeStats, Recovery};
pub use maintain::MaintainReport;
pub use query::{Aggregate, Function, QueryResult, RangeQuery};
pub use scan::{Scan, SeriesSamples};
pub use select::{Matcher, MatcherError, Selection};
pub use snapshot::SnapshotReport;
