//! Integration tests of the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod it {
    mod remote_write;
}
