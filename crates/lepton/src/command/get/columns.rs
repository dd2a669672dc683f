//! The columns of each kind.

use lepton_model::{
    AnyObject, AssignmentSpec, Bytes, IncidentSpec, JobSpec, Kind, Labels, NodeSpec, PlanPhase, PlanSpec,
    PolicySpec, ReplicaReport, RunbookSpec, ServiceSpec, Severity, Timestamp, TokenSpec, WebhookSpec,
};

use crate::screen::{ago, bytes};

/// The headings of a table of `kind`.
pub(super) fn headings(kind: Kind, wide: bool, project: bool) -> Vec<&'static str> {
    let (narrow, more): (&[&str], &[&str]) = match kind {
        Kind::Node => (
            &["NAME", "PHASE", "CPU", "MEMORY", "DISK", "AGE"],
            &["OS", "KERNEL", "ARCH", "AGENT", "CGROUPS", "LABELS"],
        ),
        Kind::Service => {
            (&["NAME", "PHASE", "READY", "RESTARTS", "WHERE", "AGE"], &["PRIORITY", "LABELS", "MESSAGE"])
        }
        Kind::Job => (&["NAME", "PHASE", "DONE", "FAILED", "WHERE", "AGE"], &["LABELS", "MESSAGE"]),
        Kind::Runbook => (&["NAME", "RISK", "DESCRIPTION", "AGE"], &["LABELS", "ACT"]),
        Kind::Webhook => (&["NAME", "URL", "FROM SEVERITY", "AGE"], &["LABELS"]),
        Kind::Policy => (&["NAME", "REBALANCE", "STRATEGY", "ADVICE", "STEPS", "AGE"], &["LAST STEP"]),
        Kind::Assignment => (&["NODE", "GENERATION", "OBEYED", "REPLICAS", "AGE"], &["PLAN"]),
        Kind::Plan => (&["NAME", "PHASE", "ACTIONS", "UNPLACED", "RISK", "WHY", "AGE"], &["PARENT"]),
        Kind::Incident => {
            (&["NAME", "PHASE", "SEVERITY", "CAUSE", "ABOUT", "TITLE", "AGE"], &["NODE", "BY", "NOTE"])
        }
        Kind::Token => (&["ID", "ROLE", "PROJECT", "EXPIRES", "AGE"], &["DESCRIPTION"]),
    };
    let project = if project { &["PROJECT"][..] } else { &[] };
    let more = if wide { more } else { &[] };
    [project, narrow, more].concat()
}

/// The cells of one object. One that this version does not understand still gets its name and age.
pub(super) fn cells(object: &AnyObject, now: Timestamp, wide: bool, project: bool) -> Vec<String> {
    let (narrow, more) =
        known(object, now).unwrap_or_else(|| (vec![object.meta.name.to_string()], Vec::new()));
    let project = if project { vec![object.meta.project.to_string()] } else { Vec::new() };
    let more = if wide { more } else { Vec::new() };
    [project, narrow, more].concat()
}

type Cells = (Vec<String>, Vec<String>);

fn known(object: &AnyObject, now: Timestamp) -> Option<Cells> {
    let name = object.meta.name.to_string();
    let age = ago(object.meta.created_at, now);
    let labels = labels(&object.meta.labels);
    Some(match object.kind {
        Kind::Node => {
            let node = object.decode::<NodeSpec>().ok()?;
            let capacity = &node.status.capacity;
            let mut phase = node.status.phase.as_str().to_owned();
            if node.spec.draining {
                phase.push_str(",draining");
            } else if node.spec.cordoned {
                phase.push_str(",cordoned");
            }
            let facts = node.status.facts;
            (
                vec![name, phase, capacity.cpu.to_string(), size(capacity.memory), size(capacity.disk), age],
                vec![facts.os, facts.kernel, facts.architecture, facts.agent_version, facts.cgroups, labels],
            )
        }
        Kind::Service => {
            let service = object.decode::<ServiceSpec>().ok()?;
            let status = service.status;
            let restarts: u32 = status.replicas.iter().map(|replica| replica.restarts).sum();
            let phase = status.phase.as_str().to_owned();
            let ready = format!("{}/{}", status.ready, service.spec.replicas);
            (
                vec![name, phase, ready, restarts.to_string(), places(&status.replicas), age],
                vec![service.spec.priority.to_string(), labels, status.message],
            )
        }
        Kind::Job => {
            let job = object.decode::<JobSpec>().ok()?;
            let status = job.status;
            let done = format!("{}/{}", status.succeeded, job.spec.completions);
            (
                vec![
                    name,
                    word(&status.phase),
                    done,
                    status.failed.to_string(),
                    places(&status.replicas),
                    age,
                ],
                vec![labels, status.message],
            )
        }
        Kind::Runbook => {
            let runbook = object.decode::<RunbookSpec>().ok()?.spec;
            (
                vec![name, word(&runbook.risk), runbook.description, age],
                vec![labels, runbook.act.command.join(" ")],
            )
        }
        Kind::Webhook => {
            let webhook = object.decode::<WebhookSpec>().ok()?.spec;
            (vec![name, webhook.url, severity(webhook.least_severity), age], vec![labels])
        }
        Kind::Policy => {
            let policy = object.decode::<PolicySpec>().ok()?;
            let (spec, status) = (policy.spec.rebalance, policy.status);
            let advice = status.advice.map(|advice| advice.summary).unwrap_or_default();
            let last = status.done.last().map(|step| step.message.clone()).unwrap_or_default();
            let steps = status.done.len().to_string();
            let mode = spec.mode.as_str().to_owned();
            (vec![name, mode, spec.strategy.to_string(), advice, steps, age], vec![last])
        }
        Kind::Assignment => {
            let assignment = object.decode::<AssignmentSpec>().ok()?;
            let replicas = assignment.spec.replicas.len().to_string();
            let obeyed = assignment.status.observed_generation.to_string();
            let plan = assignment.spec.plan.map(|plan| plan.to_string()).unwrap_or_default();
            (vec![name, assignment.meta.generation.to_string(), obeyed, replicas, age], vec![plan])
        }
        Kind::Plan => {
            let plan = object.decode::<PlanSpec>().ok()?;
            let phase = match plan.status.phase {
                PlanPhase::Pending => "pending",
                PlanPhase::Executed => "executed",
                PlanPhase::Superseded => "superseded",
            };
            let (actions, unplaced) =
                (plan.spec.actions.len().to_string(), plan.spec.unplaced.len().to_string());
            let parent = plan.spec.parent.map(|parent| parent.to_string()).unwrap_or_default();
            (
                vec![name, phase.to_owned(), actions, unplaced, word(&plan.spec.risk), plan.spec.reason, age],
                vec![parent],
            )
        }
        Kind::Incident => {
            let incident = object.decode::<IncidentSpec>().ok()?;
            let (spec, status) = (incident.spec, incident.status);
            let node = spec.node.map(|node| node.to_string()).unwrap_or_default();
            (
                vec![
                    name,
                    status.phase.as_str().to_owned(),
                    severity(spec.severity),
                    spec.cause,
                    spec.subject.to_string(),
                    spec.title,
                    age,
                ],
                vec![node, status.by, status.note],
            )
        }
        Kind::Token => {
            let token = object.decode::<TokenSpec>().ok()?.spec;
            let project = token.project.map(|project| project.to_string()).unwrap_or_default();
            let expires = token.expires_at.map(|at| at.to_string()).unwrap_or_default();
            (vec![name, token.role.as_str().to_owned(), project, expires, age], vec![token.description])
        }
    })
}

/// `edge-1 http=32001, edge-2 http=32004`: where replicas are and how to reach them.
pub(crate) fn places(replicas: &[ReplicaReport]) -> String {
    const MOST: usize = 3;
    let mut places: Vec<String> = replicas
        .iter()
        .take(MOST)
        .map(|replica| {
            let ports: String = replica.ports.iter().map(|(name, port)| format!(" {name}={port}")).collect();
            format!("{}{ports}", replica.node)
        })
        .collect();
    if replicas.len() > MOST {
        places.push(format!("and {} more", replicas.len() - MOST));
    }
    places.join(", ")
}

fn size(amount: Bytes) -> String {
    bytes(amount.get() as f64)
}

fn severity(severity: Severity) -> String {
    word(&severity)
}

/// The wire's own word for a unit variant.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn labels(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}
