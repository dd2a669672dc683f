//! `lepton get replicas`: the running copies of services and jobs, taken from their status.

use lepton_model::{JobSpec, Kind, Name, ReplicaReport, ServiceSpec};

use super::{GetArgs, query};
use crate::command::{Desk, now};
use crate::failure::Failure;
use crate::screen::{Format, Table, ago};

pub(super) async fn run(args: &GetArgs, names: &[Name], desk: &Desk<'_>) -> Result<(), Failure> {
    if args.watch {
        return Err(Failure::usage("replicas cannot be watched; watch services instead"));
    }
    let mut replicas: Vec<ReplicaReport> = Vec::new();
    for kind in [Kind::Service, Kind::Job] {
        for object in desk.client.list_all(kind, &query(args, kind, desk)).await?.items {
            if !names.is_empty() && !names.contains(&object.meta.name) {
                continue;
            }
            let unreadable = |error| Failure::failed(format!("{} does not read: {error}", object.key()));
            replicas.extend(match kind {
                Kind::Job => object.decode::<JobSpec>().map_err(unreadable)?.status.replicas,
                _ => object.decode::<ServiceSpec>().map_err(unreadable)?.status.replicas,
            });
        }
    }
    if let Some(result) = desk.screen.document(args.show.output, &serde_json::json!({ "items": replicas })) {
        return result;
    }
    if replicas.is_empty() {
        desk.screen.note("no replicas; start some: lepton apply -f examples/shop.yaml");
        return Ok(());
    }
    let wide = args.show.output == Format::Wide;
    let project = if args.projects.all_projects { &["PROJECT"][..] } else { &[] };
    let more = if wide { &["INCARNATION", "GENERATION", "CHECKS", "LAST EXIT", "MESSAGE"][..] } else { &[] };
    let narrow = ["NAME", "PHASE", "NODE", "PORTS", "PID", "RESTARTS", "SINCE"];
    let mut table = Table::new([project, &narrow, more].concat());
    let now = now();
    for replica in &replicas {
        let ports: Vec<_> = replica.ports.iter().map(|(name, port)| format!("{name}={port}")).collect();
        let mut row = vec![
            format!("{}-{}", replica.replica.name, replica.replica.ordinal),
            replica.phase.as_str().to_owned(),
            replica.node.to_string(),
            ports.join(","),
            replica.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            replica.restarts.to_string(),
            replica.started_at.map(|at| ago(at, now)).unwrap_or_default(),
        ];
        if args.projects.all_projects {
            row.insert(0, replica.replica.project.to_string());
        }
        if wide {
            let healthy = replica.checks.iter().filter(|check| check.healthy).count();
            row.push(replica.incarnation.to_string());
            row.push(replica.generation.to_string());
            row.push(format!("{healthy}/{}", replica.checks.len()));
            row.push(replica.last_exit.as_ref().map(ToString::to_string).unwrap_or_default());
            row.push(replica.message.clone());
        }
        table.row(row);
    }
    table.print(desk.screen)
}
