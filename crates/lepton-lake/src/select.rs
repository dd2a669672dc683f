//! Which series, and which stretch of time.

use std::fmt;

use crate::labels::{METRIC_LABEL, NODE_LABEL, key_label};

/// One condition on a label; an absent label counts as the empty string, as in PromQL.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    test: Test,
}

#[derive(Clone)]
enum Test {
    Equal(String),
    NotEqual(String),
    Matches(regex::bytes::Regex),
    NotMatches(regex::bytes::Regex),
}

/// A regular expression the lake refuses.
#[derive(Debug, Clone, thiserror::Error)]
#[error("matcher on label `{label}`: {reason}")]
pub struct MatcherError {
    /// The label it was for.
    pub label: String,
    /// What the parser said.
    pub reason: String,
}

impl Matcher {
    /// `name = value`.
    pub fn eq(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), test: Test::Equal(value.into()) }
    }

    /// `name != value`.
    pub fn ne(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), test: Test::NotEqual(value.into()) }
    }

    /// `name =~ pattern`, anchored at both ends.
    pub fn matches(name: impl Into<String>, pattern: &str) -> Result<Self, MatcherError> {
        let name = name.into();
        let test = Test::Matches(anchored(&name, pattern)?);
        Ok(Self { name, test })
    }

    /// `name !~ pattern`, anchored at both ends.
    pub fn not_matches(name: impl Into<String>, pattern: &str) -> Result<Self, MatcherError> {
        let name = name.into();
        let test = Test::NotMatches(anchored(&name, pattern)?);
        Ok(Self { name, test })
    }

    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match &self.test {
            Test::Equal(want) => value == want.as_bytes(),
            Test::NotEqual(other) => value != other.as_bytes(),
            Test::Matches(regex) => regex.is_match(value),
            Test::NotMatches(regex) => !regex.is_match(value),
        }
    }

    /// The label and value that a series must have, when the condition is that strict.
    pub(crate) fn exact(&self) -> Option<(&str, &str)> {
        match &self.test {
            Test::Equal(value) if !value.is_empty() => Some((&self.name, value)),
            _ => None,
        }
    }

    fn is_on(&self, name: &str) -> bool {
        self.name == name
    }
}

fn anchored(label: &str, pattern: &str) -> Result<regex::bytes::Regex, MatcherError> {
    regex::bytes::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| MatcherError { label: label.to_owned(), reason: error.to_string() })
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = match &self.test {
            Test::Equal(value) => ("=", value.as_str()),
            Test::NotEqual(value) => ("!=", value.as_str()),
            Test::Matches(regex) => ("=~", regex.as_str()),
            Test::NotMatches(regex) => ("!~", regex.as_str()),
        };
        write!(f, "{}{sign}{value:?}", self.name)
    }
}

/// Series that meet every matcher, between two instants, both included, in Unix milliseconds.
#[derive(Debug, Clone)]
pub struct Selection {
    /// All must hold. Conditions on `__name__` and `node` narrow a block search best.
    pub matchers: Vec<Matcher>,
    /// First instant wanted.
    pub from: i64,
    /// Last instant wanted.
    pub to: i64,
}

impl Selection {
    /// Everything, at all times.
    pub fn all() -> Self {
        Self { matchers: Vec::new(), from: i64::MIN, to: i64::MAX }
    }

    /// The series of one metric, at all times.
    pub fn metric(name: impl Into<String>) -> Self {
        Self::all().with(Matcher::eq(METRIC_LABEL, name))
    }

    /// Adds a condition.
    #[must_use]
    pub fn with(mut self, matcher: Matcher) -> Self {
        self.matchers.push(matcher);
        self
    }

    /// Limits the time, both ends included.
    #[must_use]
    pub fn between(mut self, from: i64, to: i64) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    pub(crate) fn accepts_metric(&self, metric: &[u8]) -> bool {
        self.matchers
            .iter()
            .filter(|matcher| matcher.is_on(METRIC_LABEL))
            .all(|matcher| matcher.accepts(metric))
    }

    pub(crate) fn accepts_key(&self, key: &[u8]) -> bool {
        self.matchers.iter().all(|matcher| matcher.accepts(key_label(key, &matcher.name).unwrap_or_default()))
    }

    /// The node every series must have, if one is named exactly.
    pub(crate) fn exact_node(&self) -> Option<&str> {
        self.matchers
            .iter()
            .filter_map(Matcher::exact)
            .find(|(name, _)| *name == NODE_LABEL)
            .map(|(_, value)| value)
    }

    pub(crate) fn overlaps(&self, min: i64, max: i64) -> bool {
        self.from <= max && self.to >= min
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::labels::Labels;

    fn check(matcher: &Matcher, expect: bool) {
        let labels = Labels::new("up", [("node", "a"), ("job", "web")]).unwrap();
        let selection = Selection::all().with(matcher.clone());
        assert_eq!(selection.accepts_key(labels.key()), expect, "{matcher:?}");
    }

    #[test]
    fn matchers() {
        check(&Matcher::eq("job", "web"), true);
        check(&Matcher::eq("job", "we"), false);
        check(&Matcher::eq("absent", ""), true);
        check(&Matcher::ne("absent", ""), false);
        check(&Matcher::ne("node", "b"), true);
        check(&Matcher::matches("job", "w.*|x").unwrap(), true);
        check(&Matcher::matches("job", "w").unwrap(), false);
        check(&Matcher::not_matches("job", "w").unwrap(), true);
        check(&Matcher::matches("__name__", "up|down").unwrap(), true);
        assert!(Matcher::matches("job", "(").is_err());
    }
}
