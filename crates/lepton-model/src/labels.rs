//! Labels on objects, and selectors over them in Kubernetes' syntax.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Labels: keys to values, in order.
pub type Labels = BTreeMap<String, String>;

/// One condition of a [`Selector`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `key=value` or `key in (a, b)`: the label is there and is one of these.
    In(String, Vec<String>),
    /// `key!=value` or `key notin (a, b)`: the label is absent or none of these.
    NotIn(String, Vec<String>),
    /// `key`: the label is there.
    Exists(String),
    /// `!key`: the label is absent.
    Absent(String),
}

impl Requirement {
    /// The label this speaks of.
    pub fn key(&self) -> &str {
        let (Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Absent(key)) = self;
        key
    }

    /// Whether `labels` meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(key, values) => match values.as_slice() {
                [value] => write!(f, "{key}={value}"),
                _ => write!(f, "{key} in ({})", values.join(",")),
            },
            Self::NotIn(key, values) => match values.as_slice() {
                [value] => write!(f, "{key}!={value}"),
                _ => write!(f, "{key} notin ({})", values.join(",")),
            },
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
        }
    }
}

/// Conditions that must all hold: `cloud in (aliyun, aws), tier=web, !spot`. Empty matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(pub Vec<Requirement>);

/// Why a text is not a [`Selector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A term is none of the four forms.
    #[error(
        "{0:?} is not a condition; write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"
    )]
    Term(String),
    /// A parenthesis without its other half.
    #[error("unbalanced parentheses in {0:?}")]
    Parentheses(String),
    /// Longer than is read.
    #[error("longer than {} characters", Selector::MAX_LEN)]
    TooLong,
}

impl Selector {
    /// Longest selector text that is read.
    pub const MAX_LEN: usize = 4_096;

    /// Whether `labels` meet every condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits at commas outside parentheses.
fn terms(text: &str) -> Result<Vec<&str>, SelectorError> {
    let unbalanced = || SelectorError::Parentheses(text.to_owned());
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if open => return Err(unbalanced()),
            '(' => open = true,
            ')' if !open => return Err(unbalanced()),
            ')' => open = false,
            ',' if !open => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err(unbalanced());
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect())
}

fn is_label_text(text: &str) -> bool {
    text.len() <= 253 && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'))
}

fn requirement(term: &str) -> Result<Requirement, SelectorError> {
    let wrong = || SelectorError::Term(term.to_owned());
    let key = |text: &str| {
        let text = text.trim();
        if text.is_empty() || !is_label_text(text) { Err(wrong()) } else { Ok(text.to_owned()) }
    };
    let value = |text: &str| {
        let text = text.trim();
        if is_label_text(text) { Ok(text.to_owned()) } else { Err(wrong()) }
    };
    if let Some((head, tail)) = term.split_once('(') {
        let list = tail.strip_suffix(')').ok_or_else(wrong)?;
        let values: Vec<String> = list.split(',').map(value).collect::<Result<_, _>>()?;
        let head = head.trim();
        return if let Some(k) = head.strip_suffix(" notin") {
            Ok(Requirement::NotIn(key(k)?, values))
        } else if let Some(k) = head.strip_suffix(" in") {
            Ok(Requirement::In(key(k)?, values))
        } else {
            Err(wrong())
        };
    }
    if let Some((k, v)) = term.split_once("!=") {
        return Ok(Requirement::NotIn(key(k)?, vec![value(v)?]));
    }
    if let Some((k, v)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(Requirement::In(key(k)?, vec![value(v)?]));
    }
    match term.strip_prefix('!') {
        Some(k) => Ok(Requirement::Absent(key(k)?)),
        None => Ok(Requirement::Exists(key(term)?)),
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.len() > Self::MAX_LEN {
            return Err(SelectorError::TooLong);
        }
        terms(text)?.into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

crate::object::string_schema!(
    Selector,
    "Label conditions, all of which must hold: cloud in (aliyun,aws), tier=web, !spot",
    "cloud in (aliyun,aws)"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_match_and_print() {
        let labels: Labels =
            [("cloud", "aws"), ("tier", "web")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let check = |text: &str, matches: bool, print: &str| {
            let selector: Selector =
                text.parse().unwrap_or_else(|e| Selector(vec![Requirement::Exists(format!("{e}"))]));
            assert_eq!(
                (selector.matches(&labels), selector.to_string().as_str()),
                (matches, print),
                "{text:?}"
            );
        };
        check("", true, "");
        check("cloud=aws", true, "cloud=aws");
        check("cloud == aws , tier=web", true, "cloud=aws,tier=web");
        check("cloud in (aliyun, aws)", true, "cloud in (aliyun,aws)");
        check("cloud notin (aliyun, aws)", false, "cloud notin (aliyun,aws)");
        check("spot!=yes", true, "spot!=yes");
        check("tier", true, "tier");
        check("!tier", false, "!tier");
    }

    #[test]
    fn bad_selectors_say_what_is_wrong() {
        let check = |text: &str| match text.parse::<Selector>() {
            Ok(ok) => format!("accepted: {ok}"),
            Err(error) => error.to_string(),
        };
        assert!(check("cloud in (a").contains("unbalanced"));
        assert!(check("cloud) x").contains("unbalanced"));
        assert!(check("a is b").contains("not a condition"));
        assert!(check("=x").contains("not a condition"));
        assert!(check(&"x,".repeat(4_000)).contains("longer"));
    }
}
