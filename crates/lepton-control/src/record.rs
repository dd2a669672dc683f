//! Lines for the timeline, and what must not be read on it.

use lepton_model::{Act, Actor, Outcome, Subject, TimelineEntry, Timestamp};
use serde_json::Value;

use crate::clock;

/// An entry with no more than who, what, to what and why.
pub(crate) fn entry(
    now: Timestamp,
    actor: Actor,
    act: Act,
    subject: Subject,
    reason: impl Into<String>,
) -> TimelineEntry {
    TimelineEntry {
        id: clock::event_id(),
        at: now,
        actor,
        act,
        subject,
        node: None,
        plan: None,
        reason: reason.into(),
        outcome: Outcome::Ok,
        before: None,
        after: None,
    }
}

/// Shown instead of a secret.
const MASK: &str = "••••";

/// A spec as the timeline may keep it: values of environment variables whose name looks like a secret's are masked.
pub(crate) fn masked(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(Value::Object(env)) = spec.get_mut("env") {
        for (name, value) in env.iter_mut() {
            let name = name.to_ascii_uppercase();
            if ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL"]
                .iter()
                .any(|word| name.contains(word))
            {
                *value = Value::from(MASK);
            }
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_secret_is_masked() {
        let spec =
            serde_json::json!({"replicas": 1, "env": {"api_key": "a", "DB_PASSWORD": "b", "PORT": "80"}});
        let masked = masked(&spec);
        assert_eq!(masked["env"], serde_json::json!({"api_key": MASK, "DB_PASSWORD": MASK, "PORT": "80"}));
        assert_eq!(masked["replicas"], 1);
    }
}
