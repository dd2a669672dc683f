//! The contexts file: the servers that a person works with, by name.
//!
//! ```toml
//! current = "prod"
//!
//! [contexts.prod]
//! server = "https://lepton.example.com:7700"
//! token_file = "/home/alice/.config/lepton/prod.token"
//! project = "shop"
//! ```

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lepton_model::Name;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Largest file that is read as configuration, a token or certificates.
const MAX_FILE: u64 = 1 << 20;

/// Everything in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, Context>,
}

/// One server, and who one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub server: String,
    /// File with the token; preferred over `token`, for it can live in a keyring's mount or a secret volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// PEM certificates of the authorities to trust, instead of the machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Lets the token travel unencrypted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Contexts {
    /// Where the file is: `$LEPTON_CONFIG`, else `$XDG_CONFIG_HOME/lepton/config.toml`, else `~/.config/lepton/config.toml`.
    pub fn path(env: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        if let Some(path) = env("LEPTON_CONFIG") {
            return Some(path.into());
        }
        let folder = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = folder.or_else(|| env("HOME").map(|home| Path::new(&home).join(".config")))?;
        Some(folder.join("lepton/config.toml"))
    }

    /// Reads the file; no file means no contexts.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = read(path)?;
        toml::from_str(&text).map_err(|error| {
            Failure::invalid(format!("{}: {}", path.display(), error.to_string().trim_end()))
                .hint("`lepton help context` shows what belongs there")
        })
    }

    /// Writes the file so that only its owner can read it, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("cannot write {}: {error}", path.display()))
        };
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        write_private(path, text.as_bytes()).map_err(|error| failed(&error))
    }

    /// A context by name.
    pub fn named(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            let failure = Failure::usage(format!("there is no context {name:?}"));
            if known.is_empty() {
                failure.hint("add one with `lepton context add`")
            } else {
                failure.hint(format!("known: {}", known.join(", ")))
            }
        })
    }
}

/// Writes a file that only its owner can read, by way of a temporary one beside it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// Reads a small text file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_FILE {
        return Err(failed(&format!("it has {size} bytes; at most {MAX_FILE} are read")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(&error))
}

/// Reads a token from its file, without the line end.
pub(crate) fn read_token(path: &Path) -> Result<String, Failure> {
    let token = read(path)?.trim().to_owned();
    if token.is_empty() {
        return Err(Failure::usage(format!("{} holds no token", path.display())));
    }
    Ok(token)
}
