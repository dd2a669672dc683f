//! Version 1 of the wire: one file per group of routes, each naming its method and path.

mod agent;
mod explain;
mod object;
mod offer;
mod sql;
mod status;
mod timeline;
mod token;
mod usage;

pub use agent::{
    AgentStatusInput, AssignmentReport, EventsInput, EventsReport, JoinInput, JoinReport, LogRequest,
};
pub use explain::{ExplainReport, ReplicaExplanation};
pub use object::{
    ApplyInput, ApplyOutcome, ApplyReport, ApplyResult, DeleteReport, IncidentInput, ObjectList, PlanRequest,
    WatchMessage,
};
pub use offer::{OfferImport, OfferList, OfferRow};
pub use sql::{SqlColumn, SqlInput, SqlReport};
pub use status::{BackupOutput, EstateReport, ReconcilerReport, ReconcilerState};
pub use timeline::{TimelinePage, TimelineRow};
pub use token::{TokenInput, TokenReport, TokenSecret};
pub use usage::{ServiceStatusReport, UsageInput};
