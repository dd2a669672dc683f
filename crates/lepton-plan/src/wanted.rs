//! The replicas that should exist, and how each should run.

use std::collections::BTreeSet;

use lepton_model::{
    JobPhase, JobSpec, Kind, Name, Object, PartitionPolicy, Placement, Port, ReplicaName, ReplicaPhase,
    ReplicaSpec, Resources, RunKind, ServiceSpec,
};

use crate::Snapshot;

/// A service or job with the copies that should run now.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub kind: Kind,
    pub project: &'a Name,
    pub name: &'a Name,
    pub generation: u64,
    pub priority: i32,
    pub requests: &'a Resources,
    pub placement: &'a Placement,
    pub ports: &'a [Port],
    /// Copies that should run, ascending.
    pub ordinals: Vec<u32>,
    /// Copies that may be down at once during a rollout.
    pub max_unavailable: u32,
    /// Never run a copy twice: wait until the old one is gone before the new one starts.
    pub exclusive: bool,
    pub spec: ReplicaSpec,
}

impl Wanted<'_> {
    pub(crate) fn replica(&self, ordinal: u32) -> ReplicaName {
        ReplicaName { kind: self.kind, project: self.project.clone(), name: self.name.clone(), ordinal }
    }

    /// Its name towards the solver.
    pub(crate) fn workload(&self) -> String {
        format!("{}/{}/{}", self.kind, self.project, self.name)
    }
}

pub(crate) fn wanted(snapshot: &Snapshot) -> Vec<Wanted<'_>> {
    let services = snapshot.services.iter().map(of_service);
    let jobs = snapshot.jobs.iter().filter_map(|job| of_job(snapshot, job));
    services.chain(jobs).collect()
}

fn of_service(service: &Object<ServiceSpec>) -> Wanted<'_> {
    let spec = &service.spec;
    Wanted {
        kind: Kind::Service,
        project: &service.meta.project,
        name: &service.meta.name,
        generation: service.meta.generation,
        priority: spec.priority,
        requests: &spec.resources,
        placement: &spec.placement,
        ports: &spec.ports,
        ordinals: (0..spec.replicas).collect(),
        max_unavailable: spec.rollout.max_unavailable,
        exclusive: spec.partition == PartitionPolicy::Stop,
        spec: ReplicaSpec {
            command: spec.command.clone(),
            env: spec.env.clone(),
            working_dir: spec.working_dir.clone(),
            user: spec.user.clone(),
            ports: spec.ports.iter().map(|port| port.name.clone()).collect(),
            limits: spec.limits.clone(),
            checks: spec.checks.clone(),
            stop: spec.stop.clone(),
            logs: spec.logs.clone(),
            run: RunKind::Service {
                restart: spec.restart.clone(),
                startup: spec.startup,
                repair: spec.repair.clone(),
                partition: spec.partition,
            },
        },
    }
}

/// `None` once the job is over.
fn of_job<'a>(snapshot: &Snapshot, job: &'a Object<JobSpec>) -> Option<Wanted<'a>> {
    let over = matches!(job.status.phase, JobPhase::Succeeded | JobPhase::Failed);
    if over && job.status.observed_generation == job.meta.generation {
        return None;
    }
    let spec = &job.spec;
    let done: BTreeSet<u32> = snapshot
        .reports
        .iter()
        .filter(|report| {
            report.replica.kind == Kind::Job
                && report.replica.project == job.meta.project
                && report.replica.name == job.meta.name
                && report.generation == job.meta.generation
                && matches!(report.phase, ReplicaPhase::Succeeded | ReplicaPhase::Failed)
        })
        .map(|report| report.replica.ordinal)
        .collect();
    Some(Wanted {
        kind: Kind::Job,
        project: &job.meta.project,
        name: &job.meta.name,
        generation: job.meta.generation,
        priority: spec.priority,
        requests: &spec.resources,
        placement: &spec.placement,
        ports: &[],
        ordinals: (0..spec.completions).filter(|ordinal| !done.contains(ordinal)).collect(),
        max_unavailable: u32::MAX,
        exclusive: false,
        spec: ReplicaSpec {
            command: spec.command.clone(),
            env: spec.env.clone(),
            working_dir: spec.working_dir.clone(),
            user: spec.user.clone(),
            ports: Vec::new(),
            limits: spec.limits.clone(),
            checks: Vec::new(),
            stop: spec.stop.clone(),
            logs: spec.logs.clone(),
            run: RunKind::Job { attempts: spec.attempts, deadline: spec.deadline },
        },
    })
}
