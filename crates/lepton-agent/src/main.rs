//! The agent's small binary.
fn main() {}
