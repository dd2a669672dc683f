//! Who a process runs as.

use std::ffi::CString;
use std::path::Path;

use nix::unistd::{User, getgrouplist};
use rustix::process::{Gid, Uid, geteuid};

/// A user of this machine, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Every group it is in, the first one too.
    pub(crate) groups: Vec<Gid>,
}

/// Why a process cannot run as the user asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("spec.user: this machine has no user {0:?}")]
    Unknown(String),
    #[error("spec.user: only an agent that runs as root can run a process as {0:?}")]
    NotRoot(String),
    #[error("spec.user: {user:?} cannot be looked up")]
    Lookup {
        user: String,
        #[source]
        problem: nix::Error,
    },
}

/// Looks up `name`; none when that is who the agent runs as, so that nothing has to change.
pub(crate) fn credentials(name: &str) -> Result<Option<Credentials>, UserError> {
    let lookup = |problem| UserError::Lookup { user: name.to_owned(), problem };
    let unknown = || UserError::Unknown(name.to_owned());
    let user = User::from_name(name).map_err(lookup)?.ok_or_else(unknown)?;
    let own = geteuid();
    if user.uid.as_raw() == own.as_raw() {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(UserError::NotRoot(name.to_owned()));
    }
    let c_name = CString::new(name).map_err(|_| unknown())?;
    let groups = getgrouplist(&c_name, user.gid).map_err(lookup)?;
    Ok(Some(Credentials {
        name: user.name,
        home: user.dir.display().to_string(),
        uid: Uid::from_raw(user.uid.as_raw()),
        gid: Gid::from_raw(user.gid.as_raw()),
        groups: groups.into_iter().map(|g| Gid::from_raw(g.as_raw())).collect(),
    }))
}

/// Gives a folder of Lepton's own to the user that works in it.
pub(crate) fn give(path: &Path, user: &Credentials) -> std::io::Result<()> {
    std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
}
