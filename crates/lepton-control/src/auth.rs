//! Who is asking, and what they may do.

mod caller;
mod credentials;
mod secret;

pub(crate) use caller::{Caller, shown_to};
pub(crate) use credentials::{Credential, Credentials};
pub(crate) use secret::Secret;
