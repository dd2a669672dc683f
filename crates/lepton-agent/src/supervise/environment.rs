//! What a replica's processes find in their environment.

use std::collections::BTreeMap;

use lepton_model::{AssignedReplica, Kind, Name};
use uuid::Uuid;

use super::user::Credentials;

/// Tells the processes of one run from all others, also after an agent's crash.
pub(crate) const RUN: &str = "LEPTON_RUN";

/// What is handed on from the agent's own environment. Nothing else is: the agent's holds its secrets.
const INHERITED: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];
/// Where programs are looked for when the agent itself has no PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a replica's process, its exec checks and its runbooks: a few of the agent's own variables, then the
/// specification's, then Lepton's, each overriding the one before.
pub(crate) fn environment(
    assigned: &AssignedReplica,
    node: &Name,
    user: Option<&Credentials>,
    run: Option<Uuid>,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    for name in INHERITED {
        if let Ok(value) = std::env::var(name) {
            env.insert(name.to_owned(), value);
        }
    }
    if let Some(beside) = beside_agent()
        && let Some(path) = env.get_mut("PATH")
    {
        // Last, so that it hides nothing: a program that came with Lepton is found without installing it.
        path.push(':');
        path.push_str(&beside);
    }
    match user {
        Some(user) => {
            env.insert("HOME".to_owned(), user.home.clone());
            env.insert("USER".to_owned(), user.name.clone());
            env.insert("LOGNAME".to_owned(), user.name.clone());
        }
        None => {
            for name in ["HOME", "USER", "LOGNAME"] {
                if let Ok(value) = std::env::var(name) {
                    env.insert(name.to_owned(), value);
                }
            }
        }
    }
    env.extend(assigned.spec.env.clone());
    let replica = &assigned.replica;
    let what = if replica.kind == Kind::Job { "LEPTON_JOB" } else { "LEPTON_SERVICE" };
    env.insert(what.to_owned(), replica.name.to_string());
    env.insert("LEPTON_PROJECT".to_owned(), replica.project.to_string());
    env.insert("LEPTON_ORDINAL".to_owned(), replica.ordinal.to_string());
    env.insert("LEPTON_NODE".to_owned(), node.to_string());
    if let Some(port) = assigned.spec.ports.first().and_then(|first| assigned.ports.get(first)) {
        env.insert("PORT".to_owned(), port.to_string());
    }
    for (name, port) in &assigned.ports {
        let upper = name.as_str().to_ascii_uppercase().replace(['-', '.'], "_");
        env.insert(format!("PORT_{upper}"), port.to_string());
    }
    if let Some(run) = run {
        env.insert(RUN.to_owned(), run.to_string());
    }
    env
}

/// The folder of the agent's own program.
fn beside_agent() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    program.parent()?.to_str().map(str::to_owned)
}
