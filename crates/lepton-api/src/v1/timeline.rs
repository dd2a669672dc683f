//! `GET /v1/timeline?kind=&project=&name=&node=&act=&plan=&since=&until=&limit=&after=`

use lepton_model::TimelineEntry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry with its place in the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineRow {
    /// Grows with every entry; send the last one back as `after` to follow.
    pub sequence: u64,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub entry: TimelineEntry,
}

/// Entries, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelinePage {
    /// The entries.
    pub entries: Vec<TimelineRow>,
}
