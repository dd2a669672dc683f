//! What every cloud has in common.
//!
//! So far: what can be rented and at what price ([`offers`]). It talks to no cloud; an adapter crate per cloud does.

pub mod offers;
