//! Keys to clouds: a type that never prints, and the places where each ecosystem keeps them.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

/// A text that must not be seen: it neither prints nor serialises, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the signer and the wire. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An access key. Its id is no secret; the rest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Which key.
    pub key_id: String,
    /// The key.
    pub secret: Secret,
    /// What temporary keys need besides.
    pub session_token: Option<Secret>,
}

/// The environment variables, or the files of a mounted folder, that hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialNames {
    /// Which key.
    pub key_id: &'static str,
    /// The key.
    pub secret: &'static str,
    /// What temporary keys need besides.
    pub session_token: &'static str,
}

/// Why no key was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// One is there without the others.
    #[error("{missing} is not set, though {present} is")]
    Incomplete {
        /// What is missing.
        missing: String,
        /// What was found.
        present: String,
    },
    /// Nothing is there.
    #[error("no key: set {0} and {1}")]
    Absent(String, String),
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        cause: String,
    },
}

impl CredentialNames {
    /// As files of a folder, the way Kubernetes mounts a secret.
    pub const FILES: Self = Self { key_id: "key-id", secret: "secret", session_token: "session-token" };
}

impl Credentials {
    /// A permanent key.
    pub fn new(key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), secret: Secret::new(secret), session_token: None }
    }

    /// From the environment, by the names that a cloud's own tools use. `lookup` is `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// Which name is missing.
    pub fn from_environment(
        names: CredentialNames,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CredentialError> {
        let read = |name| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        match (read(names.key_id), read(names.secret)) {
            (Some(key_id), Some(secret)) => Ok(Self {
                key_id,
                secret: Secret::new(secret),
                session_token: read(names.session_token).map(Secret::new),
            }),
            (None, None) => Err(CredentialError::Absent(names.key_id.into(), names.secret.into())),
            (key_id, _) => {
                let (missing, present) = if key_id.is_some() {
                    (names.secret, names.key_id)
                } else {
                    (names.key_id, names.secret)
                };
                Err(CredentialError::Incomplete { missing: missing.into(), present: present.into() })
            }
        }
    }

    /// From the files of [`CredentialNames::FILES`] in a folder. Read again whenever a key may have been turned over.
    ///
    /// # Errors
    /// Which file is missing or cannot be read.
    pub fn from_folder(folder: &Path) -> Result<Self, CredentialError> {
        let names = CredentialNames::FILES;
        let mut found = Vec::new();
        for name in [names.key_id, names.secret, names.session_token] {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => found.push((name, text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let path = path.display().to_string();
                    return Err(CredentialError::File { path, cause: error.to_string() });
                }
            }
        }
        let lookup =
            |name: &str| found.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
        Self::from_environment(names, lookup)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let mut credentials = Credentials::new("AK1", "hunter2");
        credentials.session_token = Some(Secret::new("hunter3"));
        let printed = format!("{credentials:?} {:#?}", credentials.secret);
        assert!(printed.contains("AK1") && !printed.contains("hunter"), "{printed}");
    }

    #[test]
    fn keys_are_found_whole_or_not_at_all() {
        const NAMES: CredentialNames =
            CredentialNames { key_id: "ID", secret: "KEY", session_token: "TOKEN" };
        let check = |set: &[(&str, &str)], expect: Result<Option<&str>, &str>| {
            let lookup = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            let found = Credentials::from_environment(NAMES, lookup);
            let token = found.map(|c| c.session_token.map(|t| t.expose().to_owned()));
            assert_eq!(
                token.map_err(|e| e.to_string()),
                expect.map(|t| t.map(str::to_owned)).map_err(str::to_owned)
            );
        };
        check(&[("ID", "a"), ("KEY", "b")], Ok(None));
        check(&[("ID", "a"), ("KEY", "b\n"), ("TOKEN", "c\n")], Ok(Some("c")));
        check(&[("ID", "a"), ("KEY", " ")], Err("KEY is not set, though ID is"));
        check(&[("KEY", "b")], Err("ID is not set, though KEY is"));
        check(&[], Err("no key: set ID and KEY"));
    }

    #[test]
    fn mounted_files_hold_a_key() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key-id"), "AK\n").unwrap();
        let half = Credentials::from_folder(folder.path()).unwrap_err();
        assert_eq!(half.to_string(), "secret is not set, though key-id is");
        std::fs::write(folder.path().join("secret"), "SK\n").unwrap();
        assert_eq!(Credentials::from_folder(folder.path()), Ok(Credentials::new("AK", "SK")));
    }
}
