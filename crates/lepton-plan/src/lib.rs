//! From a snapshot to the next plan, and the invariants no plan may break. Pure.
