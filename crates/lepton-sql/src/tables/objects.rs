//! A table per kind of object: its fields as columns, and the whole as JSON.

use std::sync::Arc;

use lepton_model::{
    AnyObject, AssignmentSpec, Bytes, Cpu, IncidentSpec, JobSpec, Kind, NodeSpec, Object, PlanSpec,
    RunbookSpec, ServiceSpec, Spec, TokenSpec, WebhookSpec,
};
use serde::Serialize;

use super::reader::{Col, ObjectTable, columns};
use crate::table::{Cell, Table, flag, int, json, maybe, null, owned, print, real, text};

/// An object as it is stored, and read as its kind.
pub(super) struct Row<S: Spec> {
    raw: Arc<AnyObject>,
    /// None when it does not read: a later version wrote it. Its JSON is shown all the same.
    typed: Option<Object<S>>,
}

impl<S: Spec> Row<S> {
    fn with<'a>(&'a self, cell: impl FnOnce(&'a Object<S>) -> Cell<'a>) -> Cell<'a> {
        maybe(self.typed.as_ref(), cell)
    }
}

pub(super) fn cores(cpu: Cpu) -> Cell<'static> {
    real(cpu.as_millis() as f64 / 1_000.0)
}

pub(super) fn bytes(bytes: Bytes) -> Cell<'static> {
    int(bytes.get())
}

/// The word that a plain enum is on the wire.
pub(super) fn word(value: &impl Serialize) -> Cell<'static> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => owned(word),
        _ => null(),
    }
}

/// The columns of every kind, around its own.
fn table<S: Spec + Send + Sync + 'static>(description: &'static str, own: Vec<Col<Row<S>>>) -> Arc<dyn Table>
where
    S::Status: Send + Sync,
{
    let mut all: Vec<Col<Row<S>>> = columns! {
        "project" Text "project; `estate` for what belongs to none" => |row| text(row.raw.meta.project.as_str());
        "name" Text "name, unique in its project" => |row| text(row.raw.meta.name.as_str());
    };
    all.extend(own);
    all.extend::<Vec<Col<Row<S>>>>(columns! {
        "labels" Json "labels" => |row| json(&row.raw.meta.labels);
        "generation" Integer "counts changes of spec and labels, from 1" => |row| int(row.raw.meta.generation);
        "revision" Integer "store revision of the last change" => |row| int(row.raw.meta.revision);
        "uid" Text "identity over its whole life" => |row| print(row.raw.meta.uid);
        "created_at" Text "when it was made" => |row| print(row.raw.meta.created_at);
        "updated_at" Text "when any part last changed" => |row| print(row.raw.meta.updated_at);
        "spec" Json "wanted state, whole" => |row| json(&row.raw.spec);
        "status" Json "observed state, whole" => |row| json(&row.raw.status);
    });
    Arc::new(ObjectTable {
        name: S::KIND.plural(),
        description,
        kinds: kinds::<S>(),
        columns: Arc::new(all),
        rows: |object| vec![Row { typed: object.decode().ok(), raw: without_secrets(object) }],
        project: |row| &row.raw.meta.project,
        object_name: Some("name"),
    })
}

fn kinds<S: Spec>() -> &'static [Kind] {
    Kind::ALL
        .iter()
        .position(|kind| *kind == S::KIND)
        .and_then(|at| Kind::ALL.get(at..=at))
        .unwrap_or_default()
}

/// A token's hash is nobody's business.
fn without_secrets(object: &Arc<AnyObject>) -> Arc<AnyObject> {
    if object.kind != Kind::Token {
        return Arc::clone(object);
    }
    let mut shown = AnyObject::clone(object);
    if let Some(hash) = shown.spec.get_mut("hash") {
        *hash = "".into();
    }
    Arc::new(shown)
}

pub(super) fn all() -> Vec<Arc<dyn Table>> {
    vec![nodes(), services(), jobs(), runbooks(), webhooks(), assignments(), plans(), incidents(), tokens()]
}

fn nodes() -> Arc<dyn Table> {
    table::<NodeSpec>(
        "machines with an agent",
        columns! {
            "phase" Text "joining, ready or lost" => |row| row.with(|o| text(o.status.phase.as_str()));
            "phase_at" Text "when it became so" => |row| row.with(|o| print(o.status.since));
            "seen_at" Text "last contact, as of the last stored change" => |row| row.with(|o| print(o.status.last_seen));
            "cordoned" Integer "1 when nothing new is placed here" => |row| row.with(|o| flag(o.spec.cordoned));
            "draining" Integer "1 when what runs here is moved away" => |row| row.with(|o| flag(o.spec.draining));
            "cpu" Real "cores it has" => |row| row.with(|o| cores(o.status.capacity.cpu));
            "memory" Integer "bytes of memory it has" => |row| row.with(|o| bytes(o.status.capacity.memory));
            "disk" Integer "bytes of disk it has" => |row| row.with(|o| bytes(o.status.capacity.disk));
            "hostname" Text "host name" => |row| row.with(|o| text(&o.status.facts.hostname));
            "os" Text "operating system and release" => |row| row.with(|o| text(&o.status.facts.os));
            "kernel" Text "kernel release" => |row| row.with(|o| text(&o.status.facts.kernel));
            "architecture" Text "x86_64, aarch64, …" => |row| row.with(|o| text(&o.status.facts.architecture));
            "cgroups" Text "v1, v2, hybrid or none" => |row| row.with(|o| text(&o.status.facts.cgroups));
            "agent_version" Text "version of its agent" => |row| row.with(|o| text(&o.status.facts.agent_version));
            "assignment_generation" Integer "generation of the assignment it obeys"
                => |row| row.with(|o| int(o.status.assignment_generation));
            "conditions" Json "what a person should know" => |row| row.with(|o| json(&o.status.conditions));
        },
    )
}

fn services() -> Arc<dyn Table> {
    table::<ServiceSpec>(
        "programs that should always run",
        columns! {
            "phase" Text "pending, starting, running, degraded, failed or stopped"
                => |row| row.with(|o| text(o.status.phase.as_str()));
            "replicas" Integer "replicas wanted" => |row| row.with(|o| int(o.spec.replicas));
            "placed" Integer "replicas assigned to a node" => |row| row.with(|o| int(o.status.placed));
            "ready" Integer "replicas that run and are healthy" => |row| row.with(|o| int(o.status.ready));
            "restarts" Integer "restarts of its replicas since they were placed"
                => |row| row.with(|o| int(o.status.replicas.iter().map(|r| i64::from(r.restarts)).sum::<i64>()));
            "priority" Integer "placed first and displaced last when high" => |row| row.with(|o| int(o.spec.priority));
            "cpu" Real "cores set aside for each replica" => |row| row.with(|o| cores(o.spec.resources.cpu));
            "memory" Integer "bytes set aside for each replica" => |row| row.with(|o| bytes(o.spec.resources.memory));
            "command" Json "program and arguments" => |row| row.with(|o| json(&o.spec.command));
            "observed_generation" Integer "generation that the status speaks of"
                => |row| row.with(|o| int(o.status.observed_generation));
            "message" Text "why not everything is placed or healthy" => |row| row.with(|o| text(&o.status.message));
        },
    )
}

fn jobs() -> Arc<dyn Table> {
    table::<JobSpec>(
        "programs that should run to their end",
        columns! {
            "phase" Text "pending, running, succeeded or failed" => |row| row.with(|o| word(&o.status.phase));
            "completions" Integer "copies wanted" => |row| row.with(|o| int(o.spec.completions));
            "succeeded" Integer "copies that ended well" => |row| row.with(|o| int(o.status.succeeded));
            "failed" Integer "copies that used up their attempts" => |row| row.with(|o| int(o.status.failed));
            "attempts" Integer "starts of each copy before it has failed" => |row| row.with(|o| int(o.spec.attempts));
            "priority" Integer "placed first and displaced last when high" => |row| row.with(|o| int(o.spec.priority));
            "cpu" Real "cores set aside for each copy" => |row| row.with(|o| cores(o.spec.resources.cpu));
            "memory" Integer "bytes set aside for each copy" => |row| row.with(|o| bytes(o.spec.resources.memory));
            "command" Json "program and arguments" => |row| row.with(|o| json(&o.spec.command));
            "finished_at" Text "when the last copy ended" => |row| row.with(|o| maybe(o.status.finished_at, print));
            "observed_generation" Integer "generation that the status speaks of"
                => |row| row.with(|o| int(o.status.observed_generation));
            "message" Text "why it is not placed, or why it failed" => |row| row.with(|o| text(&o.status.message));
        },
    )
}

fn runbooks() -> Arc<dyn Table> {
    table::<RunbookSpec>(
        "commands that mend something",
        columns! {
            "description" Text "what it does" => |row| row.with(|o| text(&o.spec.description));
            "risk" Text "low, medium or high" => |row| row.with(|o| word(&o.spec.risk));
            "act" Json "the command that makes the change" => |row| row.with(|o| json(&o.spec.act.command));
            "verified" Integer "1 when it checks by itself whether it worked" => |row| row.with(|o| flag(o.spec.verify.is_some()));
            "reversible" Integer "1 when it can be undone" => |row| row.with(|o| flag(o.spec.rollback.is_some()));
        },
    )
}

fn webhooks() -> Arc<dyn Table> {
    table::<WebhookSpec>(
        "addresses that are told of incidents",
        columns! {
            "url" Text "address" => |row| row.with(|o| text(&o.spec.url));
            "events" Json "what it is told of; everything when empty" => |row| row.with(|o| json(&o.spec.events));
            "least_severity" Text "less urgent incidents are not sent" => |row| row.with(|o| word(&o.spec.least_severity));
        },
    )
}

fn assignments() -> Arc<dyn Table> {
    table::<AssignmentSpec>(
        "everything each node should run; named like the node",
        columns! {
            "replicas" Integer "replicas that should run there" => |row| row.with(|o| int(o.spec.replicas.len()));
            "plan" Text "plan that made this generation" => |row| row.with(|o| maybe(o.spec.plan, print));
            "observed_generation" Integer "generation that the agent obeys"
                => |row| row.with(|o| int(o.status.observed_generation));
        },
    )
}

fn plans() -> Arc<dyn Table> {
    table::<PlanSpec>(
        "immutable decisions of the planner; named by their id",
        columns! {
            "phase" Text "pending, executed or superseded" => |row| row.with(|o| word(&o.status.phase));
            "phase_at" Text "when it became so" => |row| row.with(|o| print(o.status.at));
            "made_at" Text "when it was made" => |row| row.with(|o| print(o.spec.made_at));
            "reason" Text "why anything changes" => |row| row.with(|o| text(&o.spec.reason));
            "actions" Integer "actions in it" => |row| row.with(|o| int(o.spec.actions.len()));
            "unplaced" Integer "replicas that could not be placed" => |row| row.with(|o| int(o.spec.unplaced.len()));
            "risk" Text "largest risk among its actions" => |row| row.with(|o| word(&o.spec.risk));
            "parent" Text "plan it continues from" => |row| row.with(|o| maybe(o.spec.parent, print));
            "snapshot" Integer "store revision it was made from" => |row| row.with(|o| int(o.spec.snapshot));
            "price_per_hour" Text "change of running cost per hour, a decimal"
                => |row| row.with(|o| maybe(o.spec.price_per_hour, |money| print(money.amount)));
            "currency" Text "currency of the price"
                => |row| row.with(|o| maybe(o.spec.price_per_hour, |money| print(money.currency)));
            "message" Text "why it was superseded" => |row| row.with(|o| text(&o.status.message));
        },
    )
}

fn incidents() -> Arc<dyn Table> {
    table::<IncidentSpec>(
        "what a person has to look at",
        columns! {
            "phase" Text "open, acknowledged or resolved" => |row| row.with(|o| text(o.status.phase.as_str()));
            "severity" Text "info, warning or critical" => |row| row.with(|o| word(&o.spec.severity));
            "cause" Text "a stable word: crash_loop, node_lost, …" => |row| row.with(|o| text(&o.spec.cause));
            "title" Text "what happened, in a sentence" => |row| row.with(|o| text(&o.spec.title));
            "subject_kind" Text "kind of what it is about" => |row| row.with(|o| text(o.spec.subject.kind.as_str()));
            "subject_project" Text "project of what it is about"
                => |row| row.with(|o| text(o.spec.subject.project.as_str()));
            "subject" Text "name of what it is about" => |row| row.with(|o| text(o.spec.subject.name.as_str()));
            "ordinal" Integer "replica it is about" => |row| row.with(|o| maybe(o.spec.subject.replica, int));
            "node" Text "where it was seen" => |row| row.with(|o| maybe(o.spec.node.as_ref(), |node| text(node.as_str())));
            "opened_at" Text "when it began" => |row| row.with(|o| print(o.spec.opened_at));
            "phase_at" Text "when it was acknowledged or resolved" => |row| row.with(|o| print(o.status.at));
            "handled_by" Text "who acknowledged or resolved it" => |row| row.with(|o| text(&o.status.by));
            "note" Text "their words" => |row| row.with(|o| text(&o.status.note));
            "details" Json "what was seen and tried" => |row| row.with(|o| json(&o.spec.details));
        },
    )
}

fn tokens() -> Arc<dyn Table> {
    table::<TokenSpec>(
        "credentials, without their hashes; named by their id",
        columns! {
            "holder" Text "whom or what it is for; the actor token:HOLDER on the timeline"
                => |row| row.with(|o| text(o.spec.name.as_str()));
            "role" Text "viewer, operator, admin, agent or join" => |row| row.with(|o| text(o.spec.role.as_str()));
            "only_project" Text "project it is confined to"
                => |row| row.with(|o| maybe(o.spec.project.as_ref(), |project| text(project.as_str())));
            "node" Text "node of an agent's credential"
                => |row| row.with(|o| maybe(o.spec.node.as_ref(), |node| text(node.as_str())));
            "expires_at" Text "not accepted from then on" => |row| row.with(|o| maybe(o.spec.expires_at, print));
            "revoked_at" Text "when it was revoked" => |row| row.with(|o| maybe(o.status.revoked_at, print));
            "used_at" Text "when a join token was used up" => |row| row.with(|o| maybe(o.status.used_at, print));
            "description" Text "what it is for" => |row| row.with(|o| text(&o.spec.description));
        },
    )
}
