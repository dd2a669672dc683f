//! The credential that a parcel travels with.

use std::path::PathBuf;
use std::sync::Arc;

/// Where a bearer token comes from.
#[derive(Debug, Clone)]
pub enum Token {
    /// None is sent.
    None,
    /// This one.
    Fixed(Arc<str>),
    /// The first line of a file, read at each request, so that it can be rotated.
    File(PathBuf),
}

impl Token {
    pub(super) async fn read(&self) -> Result<Option<String>, String> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.to_string())),
            Self::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) => Ok(Some(text.trim().to_owned())),
                Err(error) => Err(format!("{}: {error}", path.display())),
            },
        }
    }
}
