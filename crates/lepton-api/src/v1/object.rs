//! Objects: apply, list, watch, delete; and what people do to incidents.

use lepton_model::{AnyObject, Key, Manifest, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/apply?dry_run=`: makes or changes objects, all or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyInput {
    /// At most 1,000.
    pub manifests: Vec<Manifest>,
}

/// `POST /v1/plan`: what would be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanRequest {
    /// What would be applied; at most 1,000, and none asks about the estate as it is.
    pub manifests: Vec<Manifest>,
    /// What to aim at; absent, what placement does by itself: nothing that runs well moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Suppositions: `lose-zone=NAME`, `lose-region=`, `lose-cloud=`, `lose-node=`, `price=SELECTOR*FACTOR`; at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what_if: Vec<String>,
}

/// What applying did to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ApplyOutcome {
    Created,
    Changed,
    Unchanged,
}

/// One object of an [`ApplyReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApplyResult {
    /// What was done.
    pub outcome: ApplyOutcome,
    /// The object as it now is, or with `dry_run` would be.
    pub object: AnyObject,
}

/// Answer to [`ApplyInput`], in its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApplyReport {
    /// One per manifest.
    pub results: Vec<ApplyResult>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Store revision afterwards.
    pub revision: u64,
}

/// `GET /v1/objects/{kind}?project=&labels=&limit=&continue=`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ObjectList {
    /// Ordered by project and name.
    pub items: Vec<AnyObject>,
    /// Send it back as `continue` for the next page; absent on the last.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// A watch from here misses nothing of this page.
    pub revision: u64,
}

/// Answer to `DELETE /v1/objects/{kind}/{project}/{name}?revision=`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeleteReport {
    /// What was deleted.
    pub key: Key,
    /// Store revision afterwards.
    pub revision: u64,
}

/// One message of `GET /v1/watch?kind=&project=&from=`. The event's id is the revision to go on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
// Most messages are `Put`; a box would cost an allocation each and save nothing.
#[allow(clippy::large_enum_variant)]
pub enum WatchMessage {
    /// An object was made or changed.
    Put {
        /// As it now is.
        object: AnyObject,
    },
    /// An object was deleted.
    Delete {
        /// Which.
        key: Key,
    },
    /// Nothing changed; `revision` is where to go on from.
    Bookmark {
        /// Store revision.
        revision: u64,
    },
    /// The revisions asked for are no longer kept: list again, then watch from the list's revision. The stream ends.
    Compacted {
        /// Oldest revision from which a watch may start.
        revision: u64,
    },
}

/// `POST /v1/incidents/{project}/{name}/acknowledge` and `…/resolve`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentInput {
    /// Words for those who read the record.
    pub note: String,
}
