//! Lepton's words: the values every other room speaks in.
//!
//! This crate is the lowest floor. It holds names and ids, quantities with units, money with a
//! currency, the objects an owner writes ([`ServiceSpec`], [`JobSpec`], [`RunbookSpec`], …), what the
//! ring records about them ([`Plan`], [`TimelineEntry`], [`IncidentSpec`]), and the rules that say whether such a
//! value makes sense ([`Spec::validate`]). It does no I/O, reads no clock and draws no randomness:
//! `now` and ids are handed in.
//!
//! Every object has one shape, wanted state (`spec`) beside observed state (`status`):
//!
//! ```
//! use lepton_model::{Manifest, ServiceSpec, Spec};
//! let manifest: Manifest = serde_json::from_str(
//!     r#"{"kind": "service", "name": "shop", "spec": {"replicas": 2, "command": ["./shop"]}}"#,
//! )?;
//! let spec = ServiceSpec::parse(&manifest.spec).expect("a valid service");
//! assert_eq!((spec.replicas, manifest.project.as_str()), (2, "default"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod assignment;
mod check;
mod exchange;
mod field;
mod id;
mod incident;
mod job;
mod labels;
mod money;
mod name;
mod node;
mod object;
mod offer;
mod plan;
mod policy;
mod process;
mod quantity;
mod repair;
mod replica;
mod role;
mod service;
mod strategy;
mod time;
mod timeline;
mod webhook;

pub use assignment::{AssignedReplica, AssignmentSpec, AssignmentStatus, ReplicaSpec, RunKind};
pub use check::{Check, HttpProbe, MAX_CHECK_INTERVAL, Probe};
pub use exchange::{Exchange, ExchangeError, Rate};
pub use field::{FieldError, FieldErrors};
pub use id::{EventId, IncidentId, PlanId, TokenId, Uid};
pub use incident::{IncidentPhase, IncidentSpec, IncidentStatus, Severity};
pub use job::{JobPhase, JobSpec, JobStatus};
pub use labels::{Labels, Requirement, Selector, SelectorError};
pub use money::{Currency, Money, MoneyError};
pub use name::{Name, NameError};
pub use node::{Condition, Facts, NodePhase, NodeSpec, NodeStatus};
pub use object::{AnyObject, Key, Kind, Manifest, Meta, Object, Scope, Spec};
pub use offer::{Market, Offer, SharedText};
pub use plan::{
    Action, ActionKind, Plan, PlanPhase, PlanReport, PlanSpec, PlanStatus, PlannedMove, Risk, RunnerUp,
    Terms, Unplaced,
};
pub use policy::{
    DisruptionBudget, PolicySpec, PolicyStatus, RebalanceAdvice, RebalanceMode, RebalancePolicy,
    RebalanceStep,
};
pub use process::{Backoff, CrashLoop, LogPolicy, Restart, RestartPolicy, StopPolicy, StopSignal};
pub use quantity::{Bytes, Cpu, QuantityError, Resources};
pub use repair::{CommandStep, RepairAction, RepairStep, RunbookSpec};
pub use replica::{CheckReport, ExitReport, ReplicaName, ReplicaPhase, ReplicaReport};
pub use role::{Role, TokenSpec, TokenStatus};
pub use service::{
    PartitionPolicy, Placement, Port, Rollout, ServicePhase, ServiceSpec, ServiceStatus, Spread,
};
pub use strategy::{Strategy, StrategyError};
pub use time::{Day, DayError, Period, PeriodError, Timestamp};
pub use timeline::{Act, Actor, Outcome, Subject, TimelineEntry};
pub use webhook::{WebhookEvent, WebhookSpec, WebhookStatus};

/// Status of kinds that have none.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NoStatus {}
