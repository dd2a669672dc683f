//! The agent's parts, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod it {
    mod agent;
    mod receiver;
    mod ship;
    mod spool;
    mod supervise;
}
