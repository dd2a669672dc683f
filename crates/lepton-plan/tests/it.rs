//! The planner against small estates, and against a long random life of one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod it {
    mod aims;
    mod estate;
    mod life;
    mod plans;
}
