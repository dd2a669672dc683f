//! Wire types of the `v1` API.
//!
//! What a client and the server say to each other, and nothing of how either works. The OpenAPI document in
//! which agents use to send samples.

mod problem;
pub mod v1;

pub use problem::Problem;
