//! A service's or job's state in one word, from its replicas. Pure.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{
    JobPhase, JobSpec, JobStatus, Object, ReplicaName, ReplicaPhase, ReplicaReport, ServicePhase,
    ServiceSpec, ServiceStatus, Timestamp,
};

type WhyUnplaced = BTreeMap<ReplicaName, String>;

fn is_trouble(phase: ReplicaPhase) -> bool {
    matches!(
        phase,
        ReplicaPhase::Unhealthy
            | ReplicaPhase::BackingOff
            | ReplicaPhase::CrashLooping
            | ReplicaPhase::Failed
            | ReplicaPhase::Succeeded
            | ReplicaPhase::Lost
    )
}

/// The newest placement of each ordinal.
fn newest(reports: &[ReplicaReport]) -> BTreeMap<u32, &ReplicaReport> {
    let mut newest: BTreeMap<u32, &ReplicaReport> = BTreeMap::new();
    for report in reports {
        let best = newest.entry(report.replica.ordinal).or_insert(report);
        if report.incarnation > best.incarnation {
            *best = report;
        }
    }
    newest
}

fn story(report: &ReplicaReport) -> String {
    let at = format!("replica {} on {} is {}", report.replica.ordinal, report.node, report.phase.as_str());
    match (&report.message, &report.last_exit) {
        (message, _) if !message.is_empty() => format!("{at}: {message}"),
        (_, Some(exit)) => format!("{at}: {exit}"),
        _ => at,
    }
}

fn why_unplaced(of: &ReplicaName, unplaced: &WhyUnplaced) -> Option<String> {
    let (replica, reason) = unplaced.iter().find(|(replica, _)| {
        replica.kind == of.kind && replica.project == of.project && replica.name == of.name
    })?;
    Some(format!("replica {} is not placed: {reason}", replica.ordinal))
}

pub(super) fn service(
    service: &Object<ServiceSpec>,
    replicas: Vec<ReplicaReport>,
    unplaced: &WhyUnplaced,
) -> ServiceStatus {
    let wanted = service.spec.replicas;
    let of = ReplicaName {
        kind: lepton_model::Kind::Service,
        project: service.meta.project.clone(),
        name: service.meta.name.clone(),
        ordinal: 0,
    };
    let newest: BTreeMap<u32, &ReplicaReport> =
        newest(&replicas).into_iter().filter(|(ordinal, _)| *ordinal < wanted).collect();
    let count =
        |phase: fn(ReplicaPhase) -> bool| newest.values().filter(|report| phase(report.phase)).count();
    let placed = count(|phase| phase != ReplicaPhase::Lost);
    let ready = count(|phase| phase == ReplicaPhase::Running);
    let trouble = newest.values().find(|report| is_trouble(report.phase));
    let homeless = why_unplaced(&of, unplaced).filter(|_| placed < wanted as usize);
    let phase = match (wanted as usize, ready, placed) {
        (0, ..) if replicas.is_empty() => ServicePhase::Stopped,
        (0, ..) => ServicePhase::Degraded,
        (wanted, ready, _) if ready >= wanted => ServicePhase::Running,
        (_, 0, 0) if trouble.is_none() => ServicePhase::Pending,
        (_, 0, _) if trouble.is_some() => ServicePhase::Failed,
        (..) if trouble.is_some() || homeless.is_some() => {
            if ready > 0 {
                ServicePhase::Degraded
            } else {
                ServicePhase::Starting
            }
        }
        _ => ServicePhase::Starting,
    };
    let message = match phase {
        ServicePhase::Running | ServicePhase::Stopped => String::new(),
        _ if wanted == 0 => format!("{} replicas are still stopping", replicas.len()),
        _ => trouble.map(|report| story(report)).or(homeless).unwrap_or_default(),
    };
    ServiceStatus {
        phase,
        observed_generation: service.meta.generation,
        placed: u32::try_from(placed).unwrap_or(u32::MAX),
        ready: u32::try_from(ready).unwrap_or(u32::MAX),
        replicas,
        message,
    }
}

pub(super) fn job(
    job: &Object<JobSpec>,
    replicas: Vec<ReplicaReport>,
    unplaced: &WhyUnplaced,
    now: Timestamp,
) -> JobStatus {
    let before = &job.status;
    let over = matches!(before.phase, JobPhase::Succeeded | JobPhase::Failed);
    if over && before.observed_generation == job.meta.generation {
        return before.clone();
    }
    // Copies of an earlier generation say nothing of this one.
    let replicas: Vec<_> =
        replicas.into_iter().filter(|report| report.generation == job.meta.generation).collect();
    let ordinals = |phase: ReplicaPhase| -> BTreeSet<u32> {
        replicas.iter().filter(|r| r.phase == phase).map(|r| r.replica.ordinal).collect()
    };
    let succeeded = ordinals(ReplicaPhase::Succeeded);
    let failed: BTreeSet<u32> = ordinals(ReplicaPhase::Failed).difference(&succeeded).copied().collect();
    let ended = succeeded.len() + failed.len();
    let alive = replicas.iter().any(|report| {
        matches!(
            report.phase,
            ReplicaPhase::Starting
                | ReplicaPhase::Running
                | ReplicaPhase::BackingOff
                | ReplicaPhase::Unhealthy
        )
    });
    let completions = job.spec.completions as usize;
    let phase = match (ended >= completions, failed.is_empty()) {
        (true, true) => JobPhase::Succeeded,
        (true, false) => JobPhase::Failed,
        (false, _) if alive || ended > 0 => JobPhase::Running,
        (false, _) => JobPhase::Pending,
    };
    let of = ReplicaName {
        kind: lepton_model::Kind::Job,
        project: job.meta.project.clone(),
        name: job.meta.name.clone(),
        ordinal: 0,
    };
    let first_failed = replicas.iter().find(|report| report.phase == ReplicaPhase::Failed).map(story);
    let message = match phase {
        JobPhase::Succeeded => String::new(),
        _ => first_failed.or_else(|| why_unplaced(&of, unplaced)).unwrap_or_default(),
    };
    JobStatus {
        phase,
        observed_generation: job.meta.generation,
        succeeded: u32::try_from(succeeded.len()).unwrap_or(u32::MAX),
        failed: u32::try_from(failed.len()).unwrap_or(u32::MAX),
        finished_at: matches!(phase, JobPhase::Succeeded | JobPhase::Failed).then_some(now),
        replicas,
        message,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lepton_model::{Key, Kind, Labels, Meta, Name, Spec, Uid};
    use serde_json::json;

    fn meta(generation: u64) -> Meta {
        Meta {
            project: Key::default_project(),
            name: Name::new("shop").unwrap(),
            uid: Uid::from_parts(Timestamp::from_millis(0), [0; 10]),
            labels: Labels::new(),
            generation,
            revision: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn report(
        kind: Kind,
        ordinal: u32,
        incarnation: u64,
        generation: u64,
        phase: ReplicaPhase,
    ) -> ReplicaReport {
        let (project, name) = (Key::default_project(), Name::new("shop").unwrap());
        ReplicaReport {
            replica: ReplicaName { kind, project, name, ordinal },
            incarnation,
            generation,
            node: Name::new("edge-1").unwrap(),
            phase,
            pid: None,
            started_at: None,
            restarts: 0,
            last_exit: None,
            ports: BTreeMap::new(),
            checks: Vec::new(),
            message: String::new(),
        }
    }

    #[test]
    fn a_service_in_one_word() {
        use ReplicaPhase as R;
        /// Wanted; ordinal, incarnation and phase of each report; whether one fits nowhere; the word.
        type Case = (u32, &'static [(u32, u64, R)], bool, ServicePhase);
        let cases: &[Case] = &[
            (2, &[], false, ServicePhase::Pending),
            (2, &[(0, 1, R::Assigned)], false, ServicePhase::Starting),
            (2, &[(0, 1, R::Running), (1, 1, R::Starting)], false, ServicePhase::Starting),
            (2, &[(0, 1, R::Running), (1, 1, R::Running)], false, ServicePhase::Running),
            (2, &[(0, 1, R::Running), (1, 1, R::CrashLooping)], false, ServicePhase::Degraded),
            (2, &[(0, 1, R::Running)], true, ServicePhase::Degraded),
            (1, &[(0, 1, R::Unhealthy)], false, ServicePhase::Failed),
            (1, &[(0, 1, R::Lost)], false, ServicePhase::Failed),
            // The newest placement counts, wherever the old one is.
            (1, &[(0, 1, R::Lost), (0, 2, R::Running)], false, ServicePhase::Running),
            // A copy that is no longer wanted does not count.
            (1, &[(0, 1, R::Running), (1, 1, R::CrashLooping)], false, ServicePhase::Running),
            (0, &[], false, ServicePhase::Stopped),
            (0, &[(0, 1, R::Stopping)], false, ServicePhase::Degraded),
        ];
        for (wanted, reports, homeless, expect) in cases {
            let spec = ServiceSpec::parse(&json!({"replicas": wanted, "command": ["x"]})).unwrap();
            let object = Object { meta: meta(3), spec, status: ServiceStatus::default() };
            let reports: Vec<_> =
                reports.iter().map(|(o, i, p)| report(Kind::Service, *o, *i, 3, *p)).collect();
            let unplaced: WhyUnplaced = homeless
                .then(|| (report(Kind::Service, 1, 0, 0, R::Assigned).replica, "no node fits".to_owned()))
                .into_iter()
                .collect();
            let status = service(&object, reports.clone(), &unplaced);
            assert_eq!(status.phase, *expect, "{wanted} wanted of {reports:?}");
            assert_eq!(status.observed_generation, 3);
        }
    }

    #[test]
    fn a_job_is_over_when_every_copy_ended() {
        use ReplicaPhase as R;
        /// Completions; ordinal, generation and phase of each report; the word.
        type Case = (u32, &'static [(u32, u64, R)], JobPhase);
        let cases: &[Case] = &[
            (1, &[], JobPhase::Pending),
            (1, &[(0, 2, R::Running)], JobPhase::Running),
            (2, &[(0, 2, R::Succeeded)], JobPhase::Running),
            (2, &[(0, 2, R::Succeeded), (1, 2, R::Succeeded)], JobPhase::Succeeded),
            (2, &[(0, 2, R::Succeeded), (1, 2, R::Failed)], JobPhase::Failed),
            // Of an earlier generation.
            (1, &[(0, 1, R::Succeeded)], JobPhase::Pending),
        ];
        for (completions, reports, expect) in cases {
            let spec = JobSpec::parse(&json!({"completions": completions, "command": ["x"]})).unwrap();
            let object = Object { meta: meta(2), spec, status: JobStatus::default() };
            let reports: Vec<_> = reports.iter().map(|(o, g, p)| report(Kind::Job, *o, 1, *g, *p)).collect();
            let status = job(&object, reports, &WhyUnplaced::new(), Timestamp::from_millis(9));
            assert_eq!(status.phase, *expect);
            assert_eq!(
                status.finished_at.is_some(),
                matches!(expect, JobPhase::Succeeded | JobPhase::Failed)
            );
        }
    }
}
