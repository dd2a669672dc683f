//! Disks and their snapshots.

use lepton_model::{Bytes, Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::{InstanceId, SnapshotId, VolumeId, ZoneId};

/// Where a disk is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    /// Being made, attached or detached.
    Pending,
    /// Free.
    Available,
    /// Held by a machine.
    Attached,
    /// Gone, or on the way there.
    Deleted,
    /// The cloud calls it broken.
    Failed,
    /// A state this version does not know.
    Unknown,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its name for people; may be empty.
    pub name: String,
    /// The cloud's word for its class, such as `gp3` or `cloud_essd`.
    pub class: String,
    /// Its size.
    pub size: Bytes,
    /// Where it is in its life.
    pub state: VolumeState,
    /// Where it stands.
    pub zone: Option<ZoneId>,
    /// Who holds it.
    pub attached_to: Option<InstanceId>,
    /// Its tags.
    pub tags: Labels,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// The disk that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateVolumeInput {
    /// Its name.
    pub name: String,
    /// Where; it can be attached only there.
    pub zone: ZoneId,
    /// Its size, a multiple of 1 GiB.
    pub size: Bytes,
    /// The cloud's word for its class; unset is the cloud's ordinary one.
    pub class: Option<String>,
    /// Its tags.
    pub tags: Labels,
}

/// A copy of a disk at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Of which disk.
    pub volume: Option<VolumeId>,
    /// Whether it is whole.
    pub ready: bool,
    /// When it was begun.
    pub created_at: Option<Timestamp>,
}
