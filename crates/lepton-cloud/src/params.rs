//! Parameters of APIs that take them as name and value, lists flattened: `Tag.1.Key`.

use std::fmt::Display;

use lepton_model::Labels;

use crate::sign::canonical_query;

/// Names and values of one call.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// One to begin with.
    pub fn of(name: &str, value: impl Display) -> Self {
        Self::default().set(name, value)
    }

    /// One more.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// One more, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// `name.1`, `name.2`, …
    #[must_use]
    pub fn list<T: Display>(self, name: &str, values: &[T]) -> Self {
        (1..).zip(values).fold(self, |params, (n, value)| params.set(format!("{name}.{n}"), value))
    }

    /// `name.1.Key`, `name.1.Value`, …
    #[must_use]
    pub fn tags(self, name: &str, tags: &Labels) -> Self {
        (1..).zip(tags).fold(self, |params, (n, (key, value))| {
            params.set(format!("{name}.{n}.Key"), key).set(format!("{name}.{n}.Value"), value)
        })
    }

    /// As a query or a form, in the order and the escapes that signatures want.
    pub fn encode(&self) -> String {
        canonical_query(&self.0)
    }
}
