//! Where this crate reads the wall clock and draws randomness. Nothing else does.

use std::time::SystemTime;

use lepton_model::{EventId, IncidentId, PlanId, Timestamp, TokenId, Uid};
use uuid::Uuid;

/// The moment.
pub(crate) fn now() -> Timestamp {
    let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp::from_millis(millis)
}

/// 256 random bits.
pub(crate) fn secret_bits() -> Result<[u8; 32], getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(bits)
}

pub(crate) fn uid() -> Uid {
    Uid(Uuid::now_v7())
}
pub(crate) fn plan_id() -> PlanId {
    PlanId(Uuid::now_v7())
}
pub(crate) fn event_id() -> EventId {
    EventId(Uuid::now_v7())
}
pub(crate) fn incident_id() -> IncidentId {
    IncidentId(Uuid::now_v7())
}
pub(crate) fn token_id() -> TokenId {
    TokenId(Uuid::now_v7())
}
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}
