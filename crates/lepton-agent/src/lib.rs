//! The agent: collect, check, supervise, repair, spool, ship.
