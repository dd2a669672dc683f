//! What services and jobs are made of: their replicas, and the replicas' checks.

use std::sync::Arc;

use lepton_model::{AnyObject, CheckReport, JobSpec, Kind, ReplicaReport, ServiceSpec};

use super::reader::{Col, ObjectTable, columns};
use crate::table::{Table, flag, int, json, maybe, print, text};

const KINDS: &[Kind] = &[Kind::Service, Kind::Job];

fn reports(object: &AnyObject) -> Vec<ReplicaReport> {
    match object.kind {
        Kind::Service => object.decode::<ServiceSpec>().map_or_else(|_| Vec::new(), |o| o.status.replicas),
        _ => object.decode::<JobSpec>().map_or_else(|_| Vec::new(), |o| o.status.replicas),
    }
}

pub(super) fn all() -> Vec<Arc<dyn Table>> {
    vec![replicas(), checks()]
}

fn replicas() -> Arc<dyn Table> {
    let columns: Vec<Col<ReplicaReport>> = columns! {
        "project" Text "project" => |row| text(row.replica.project.as_str());
        "name" Text "service or job" => |row| text(row.replica.name.as_str());
        "ordinal" Integer "0, 1, 2, …" => |row| int(row.replica.ordinal);
        "kind" Text "service or job" => |row| text(row.replica.kind.as_str());
        "phase" Text "assigned, starting, running, unhealthy, backing_off, crash_looping, stopping, succeeded, failed or lost"
            => |row| text(row.phase.as_str());
        "node" Text "where it runs" => |row| text(row.node.as_str());
        "pid" Integer "process id there" => |row| maybe(row.pid, int);
        "started_at" Text "start of the current process" => |row| maybe(row.started_at, print);
        "restarts" Integer "restarts since it was placed" => |row| int(row.restarts);
        "exit_code" Integer "exit code of the last process" => |row| maybe(row.last_exit.as_ref().and_then(|e| e.code), int);
        "exit_signal" Integer "signal that ended the last process"
            => |row| maybe(row.last_exit.as_ref().and_then(|e| e.signal), int);
        "out_of_memory" Integer "1 when the kernel ended the last process for want of memory"
            => |row| maybe(row.last_exit.as_ref(), |e| flag(e.out_of_memory));
        "exited_at" Text "end of the last process" => |row| maybe(row.last_exit.as_ref(), |e| print(e.at));
        "ports" Json "port numbers by name" => |row| json(&row.ports);
        "incarnation" Integer "grows each time it is placed anew" => |row| int(row.incarnation);
        "generation" Integer "generation of the service or job that it runs" => |row| int(row.generation);
        "message" Text "what a person should know" => |row| text(&row.message);
    };
    Arc::new(ObjectTable {
        name: "replicas",
        description: "running copies of services and jobs, as agents report them",
        kinds: KINDS,
        columns: Arc::new(columns),
        rows: |object| reports(object),
        project: |row| &row.replica.project,
        object_name: Some("name"),
    })
}

struct Checked {
    of: Arc<ReplicaReport>,
    check: CheckReport,
}

fn checks() -> Arc<dyn Table> {
    let columns: Vec<Col<Checked>> = columns! {
        "project" Text "project" => |row| text(row.of.replica.project.as_str());
        "name" Text "service or job" => |row| text(row.of.replica.name.as_str());
        "ordinal" Integer "replica" => |row| int(row.of.replica.ordinal);
        "kind" Text "service or job" => |row| text(row.of.replica.kind.as_str());
        "node" Text "where it runs" => |row| text(row.of.node.as_str());
        "check_name" Text "the check" => |row| text(row.check.name.as_str());
        "healthy" Integer "1 or 0, after thresholds" => |row| flag(row.check.healthy);
        "message" Text "what the last probe saw" => |row| text(&row.check.message);
        "probed_at" Text "when it was last probed" => |row| print(row.check.at);
    };
    Arc::new(ObjectTable {
        name: "checks",
        description: "last results of the health checks of every replica",
        kinds: KINDS,
        columns: Arc::new(columns),
        rows: |object| {
            let reports = reports(object).into_iter();
            reports
                .flat_map(|mut report| {
                    let checks = std::mem::take(&mut report.checks);
                    let of = Arc::new(report);
                    checks.into_iter().map(move |check| Checked { of: Arc::clone(&of), check })
                })
                .collect()
        },
        project: |row| &row.of.replica.project,
        object_name: Some("name"),
    })
}
