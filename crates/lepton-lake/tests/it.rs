//! Integration tests of the lake, through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod it {
    mod append;
    mod blocks;
    mod crash;
    mod fixture;
    mod model;
    mod query;
}
