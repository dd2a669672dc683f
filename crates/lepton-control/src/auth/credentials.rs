//! Every token in memory, kept by the view, so that no request reads the store to know its caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lepton_model::{Name, Object, Role, Timestamp, TokenId, TokenSpec};
use parking_lot::{Mutex, RwLock};
use subtle::ConstantTimeEq as _;

use super::secret::{Hash, hash, read_stored};

/// One token, as requests see it.
#[derive(Debug)]
pub(crate) struct Credential {
    pub id: TokenId,
    pub name: Name,
    pub role: Role,
    pub project: Option<Name>,
    pub node: Option<Name>,
    hash: Hash,
    expires_at: Option<Timestamp>,
    ended: bool,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Credential {
    pub(crate) fn of(token: &Object<TokenSpec>) -> Option<Self> {
        let spec = &token.spec;
        Some(Self {
            id: token.meta.name.as_str().parse().ok()?,
            name: spec.name.clone(),
            role: spec.role,
            project: spec.project.clone(),
            node: spec.node.clone(),
            hash: read_stored(&spec.hash)?,
            expires_at: spec.expires_at,
            ended: token.status.revoked_at.is_some() || token.status.used_at.is_some(),
            bucket: Mutex::new(Bucket { left: f64::INFINITY, at: Instant::now() }),
        })
    }

    /// Why it is not accepted, if so.
    fn refused(&self, now: Timestamp) -> Option<&'static str> {
        if self.ended {
            Some("the token was revoked or used up")
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Some("the token has expired")
        } else {
            None
        }
    }

    /// Takes one change out of the allowance of `per_second`; else how long to wait for the next.
    pub fn take_change(&self, per_second: u32) -> Result<(), Duration> {
        let (rate, most) = (f64::from(per_second), f64::from(per_second) * 4.0);
        let mut bucket = self.bucket.lock();
        let now = Instant::now();
        bucket.left = (bucket.left + now.duration_since(bucket.at).as_secs_f64() * rate).min(most);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.left) / rate))
        }
    }
}

#[derive(Default)]
struct Index {
    by_hash: HashMap<Hash, Arc<Credential>>,
    by_id: HashMap<TokenId, Hash>,
}

/// All tokens.
#[derive(Default)]
pub(crate) struct Credentials(RwLock<Index>);

impl Credentials {
    /// Takes a new or changed token.
    pub fn put(&self, token: &Object<TokenSpec>) {
        let Some(credential) = Credential::of(token) else {
            tracing::warn!(token = %token.meta.name, "stored token is unreadable and is not accepted");
            return;
        };
        let mut index = self.0.write();
        index.by_id.insert(credential.id, credential.hash);
        index.by_hash.insert(credential.hash, Arc::new(credential));
    }

    /// Forgets a token.
    pub fn remove(&self, name: &Name) {
        let Ok(id) = name.as_str().parse::<TokenId>() else { return };
        let mut index = self.0.write();
        if let Some(hash) = index.by_id.remove(&id) {
            index.by_hash.remove(&hash);
        }
    }

    /// The token with this secret, if it is accepted now; else why not.
    pub fn find(&self, secret: &str, now: Timestamp) -> Result<Arc<Credential>, &'static str> {
        let hash = hash(secret);
        let found = self.0.read().by_hash.get(&hash).cloned();
        // The map narrows by a hash of the presented secret, which leaks nothing of a stored one; the compare that
        // decides takes the same time wherever two hashes differ.
        match found.filter(|credential| bool::from(credential.hash.ct_eq(&hash))) {
            None => Err("the token is unknown"),
            Some(credential) => match credential.refused(now) {
                Some(why) => Err(why),
                None => Ok(credential),
            },
        }
    }

    /// Whether any administrator's token is accepted.
    pub fn has_admin(&self, now: Timestamp) -> bool {
        let index = self.0.read();
        index
            .by_hash
            .values()
            .any(|c| c.role == Role::Admin && c.project.is_none() && c.refused(now).is_none())
    }
}
