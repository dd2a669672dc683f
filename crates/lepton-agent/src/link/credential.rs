//! The agent's own credential, in a file that only its user reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lepton_model::{Name, Period};
use serde::{Deserialize, Serialize};

const FILE: &str = "credential.json";

/// What joining brought.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The server that gave it.
    pub server: String,
    /// This node's name there.
    pub node: Name,
    /// The secret.
    pub token: String,
    /// The lease, until the server says another.
    pub lease: Period,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("server", &self.server)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// Why there is no credential to be had from the file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file system says no.
    #[error("{0}")]
    File(PathBuf, #[source] io::Error),
    /// Others may read it, so it may be known to others.
    #[error("{0} can be read by others (mode {1:o}); run: chmod 600 {0}")]
    Exposed(PathBuf, u32),
    /// Something else is in it.
    #[error("{0} holds no credential; move it away and join again")]
    Garbled(PathBuf, #[source] serde_json::Error),
}

impl Credential {
    /// Reads it from the agent's state folder; `None` before the first join.
    ///
    /// # Errors
    /// It is there, and cannot be used.
    pub fn load(folder: &Path) -> Result<Option<Self>, CredentialError> {
        let path = folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CredentialError::File(path, error)),
        };
        let mode =
            file.metadata().map_err(|error| CredentialError::File(path.clone(), error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CredentialError::Exposed(path, mode & 0o777));
        }
        serde_json::from_reader(io::BufReader::new(file))
            .map(Some)
            .map_err(|error| CredentialError::Garbled(path, error))
    }

    /// Writes it, all or nothing.
    ///
    /// # Errors
    /// The file system says no.
    pub fn save(&self, folder: &Path) -> Result<(), CredentialError> {
        let (path, next) = (folder.join(FILE), folder.join("credential.json.new"));
        let write = || {
            // A leftover of a crash could have another mode.
            match std::fs::remove_file(&next) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
            file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
            file.sync_all()?;
            std::fs::rename(&next, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| CredentialError::File(path.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Credential::load(folder.path()).unwrap(), None);
        let credential = Credential {
            server: "https://lepton.example".to_owned(),
            node: Name::new("edge-1").unwrap(),
            token: "lpt_secret".to_owned(),
            lease: Period::from_secs(15),
        };
        credential.save(folder.path()).unwrap();
        credential.save(folder.path()).unwrap();
        assert_eq!(Credential::load(folder.path()).unwrap().as_ref(), Some(&credential));
        assert!(!format!("{credential:?}").contains("secret"));
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Credential::load(folder.path()), Err(CredentialError::Exposed(_, 0o640))));
    }
}
