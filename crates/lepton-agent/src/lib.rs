//! The agent: collect, check, supervise, repair, spool, ship.

pub mod collect;
pub mod series;
