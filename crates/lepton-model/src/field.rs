//! What is wrong with a value that a person wrote: where, what, and what would be right.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One mistake in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// Path from the top of the document, such as `spec.health.checks[0].interval`.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// Every mistake found in one document; collected, so that a person mends them in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Starts with nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake.
    pub fn push(&mut self, field: impl Into<String>, problem: impl fmt::Display) {
        self.0.push(FieldError { field: field.into(), problem: problem.to_string() });
    }

    /// Adds a mistake unless `right`.
    pub fn require(&mut self, right: bool, field: impl Into<String>, problem: impl fmt::Display) {
        if !right {
            self.push(field, problem);
        }
    }

    /// `Ok` when nothing is wrong.
    ///
    /// # Errors
    /// All mistakes together.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The mistakes, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// The mistakes, owned.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}
