//! Names that people give: one rule for projects, services, nodes and everything else.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A validated name: 1 to 100 characters of `a-z`, `0-9`, `-` and `.`, starting and ending with a letter or digit.
///
/// It is safe in a URL path, a file name, a DNS label sequence and a metric label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Box<str>);

/// Why a string is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than [`Name::MAX_LEN`].
    #[error("must be 1 to {max} characters, not {0}", max = Name::MAX_LEN)]
    Length(usize),
    /// A character outside the alphabet.
    #[error("may hold a-z, 0-9, '-' and '.', not {0:?}")]
    Character(char),
    /// Starts or ends with `-` or `.`.
    #[error("must start and end with a letter or digit")]
    Edge,
}

impl Name {
    /// Longest accepted name, in characters.
    pub const MAX_LEN: usize = 100;

    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// Says which rule of [`Name`] the text breaks.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(NameError::Length(text.chars().count()));
        }
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if let Some(bad) = text.chars().find(|c| !allowed(c)) {
            return Err(NameError::Character(bad));
        }
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        if !edge(text.as_bytes().first()) || !edge(text.as_bytes().last()) {
            return Err(NameError::Edge);
        }
        Ok(Self(text))
    }

    /// The nearest valid name to any text, for names that machines bring (a host name in capitals, say).
    pub fn nearest(text: &str) -> Option<Self> {
        let mapped: String = text
            .chars()
            .take(Self::MAX_LEN)
            .map(|c| match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() || c == '.' => c,
                _ => '-',
            })
            .collect();
        Self::new(mapped.trim_matches(['-', '.'])).ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(text.into_owned()).map_err(D::Error::custom)
    }
}

crate::object::string_schema!(
    Name,
    "1 to 100 characters of a-z, 0-9, '-' and '.', starting and ending with a letter or digit",
    "shop",
    pattern = "^[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_one_rule() {
        let check = |text: &str, expect: Result<(), NameError>| {
            assert_eq!(Name::new(text).map(|_| ()), expect, "{text:?}");
        };
        check("shop", Ok(()));
        check("a", Ok(()));
        check("web-1.eu-west", Ok(()));
        check("", Err(NameError::Length(0)));
        check(&"x".repeat(101), Err(NameError::Length(101)));
        check("Shop", Err(NameError::Character('S')));
        check("shöp", Err(NameError::Character('ö')));
        check("-shop", Err(NameError::Edge));
        check("shop.", Err(NameError::Edge));
        check("../etc", Err(NameError::Character('/')));
    }

    #[test]
    fn nearest_bends_host_names() {
        let near = |text: &str| Name::nearest(text).map(|n| n.as_str().to_owned());
        assert_eq!(near("DB_Server 01."), Some("db-server-01".to_owned()));
        assert_eq!(near("---"), None);
    }
}
