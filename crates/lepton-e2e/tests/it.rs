//! Whole estates of real processes. Each test asserts on the timeline and on data found by SQL, as a user would look.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod it {
    mod agent;
    mod clock;
    mod disk;
    mod partition;
    mod peers;
    mod repair;
    mod server;
    mod shop;
    mod tls;
}
