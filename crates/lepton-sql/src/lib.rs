//! One read-only SQL door to lake and store.
