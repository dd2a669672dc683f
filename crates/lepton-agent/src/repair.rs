//! Repair of an unhealthy replica: check → act → verify → (roll back | next rung | a person).
//!
//! ```text
//!   unhealthy ──► rung 0 ──► rung 1 ──► … ──► top: rest, then from the bottom
//!                   │  check      precondition, cool-down, uses per window
//!                   │  act
//!                   │  verify     healthy in time? ──yes──► bottom
//!                   └──no── roll back ──► next rung
//! ```
//!
//! [`Ladder`] decides and does nothing; `Hands` do and decide nothing.

mod hands;
mod ladder;

pub(crate) use hands::{Hands, Uses};
pub(crate) use ladder::{Do, History, Ladder, Note, Report, Rung, Seen, Sight};
