//! An estate in memory: objects as the store would hold them, and agents that obey.

use std::collections::BTreeMap;

use lepton_model::{
    AssignmentSpec, Bytes, Cpu, JobSpec, Kind, Labels, Meta, Name, NodePhase, NodeSpec, NodeStatus, Object,
    PlanId, PlanSpec, ReplicaName, ReplicaPhase, ReplicaReport, Resources, ServiceSpec, Spec, Timestamp, Uid,
};
use lepton_plan::{Aim, PlanInput, Snapshot, assign, check, plan};
use serde_json::json;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[derive(Default)]
pub struct Estate {
    pub snapshot: Snapshot,
    pub plans: u8,
    pub last: Option<PlanId>,
}

impl Estate {
    pub fn revision(&mut self) -> u64 {
        self.snapshot.revision += 1;
        self.snapshot.revision
    }

    fn meta(&mut self, project: Name, called: &str) -> Meta {
        let revision = self.revision();
        Meta {
            project,
            name: name(called),
            uid: Uid::from_parts(Timestamp::default(), [0; 10]),
            labels: Labels::new(),
            generation: 1,
            revision,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    /// A ready node with so many cores and as many GiB of memory.
    pub fn node(&mut self, called: &str, cores: u64, labels: &[(&str, &str)]) -> &mut Self {
        let mut meta = self.meta(lepton_model::Key::estate(), called);
        meta.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let capacity = Resources {
            cpu: Cpu::from_millis(cores * 1_000),
            memory: Bytes::mebi(cores * 1_024),
            ..Resources::default()
        };
        let status = NodeStatus { phase: NodePhase::Ready, capacity, ..NodeStatus::default() };
        self.snapshot.nodes.push(Object { meta, spec: NodeSpec::default(), status });
        self
    }

    pub fn node_mut(&mut self, called: &str) -> &mut Object<NodeSpec> {
        self.snapshot.nodes.iter_mut().find(|n| n.meta.name == called).unwrap()
    }

    /// Makes or changes a service of project `default`.
    pub fn service(&mut self, called: &str, spec: serde_json::Value) -> &mut Self {
        let mut full = json!({"command": ["./run"]});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let spec = ServiceSpec::parse(&full).unwrap();
        if let Some(old) = self.snapshot.services.iter_mut().find(|s| s.meta.name == called) {
            if old.spec != spec {
                old.spec = spec;
                old.meta.generation += 1;
            }
        } else {
            let meta = self.meta(lepton_model::Key::default_project(), called);
            self.snapshot.services.push(Object { meta, spec, status: Default::default() });
        }
        self.revision();
        self
    }

    pub fn job(&mut self, called: &str, spec: serde_json::Value) -> &mut Self {
        let mut full = json!({"command": ["./run"]});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let meta = self.meta(lepton_model::Key::default_project(), called);
        let spec = JobSpec::parse(&full).unwrap();
        self.snapshot.jobs.push(Object { meta, spec, status: Default::default() });
        self
    }

    pub fn plan(&mut self) -> PlanSpec {
        self.plans = self.plans.wrapping_add(1);
        let id = PlanId::from_parts(Timestamp::from_millis(i64::from(self.plans)), [self.plans; 10]);
        self.checked(id, None)
    }

    /// What would be planned with an aim.
    pub fn plan_for(&self, aim: Option<&Aim>) -> PlanSpec {
        self.checked(PlanId::from_parts(Timestamp::default(), [0; 10]), aim)
    }

    fn checked(&self, id: PlanId, aim: Option<&Aim>) -> PlanSpec {
        let (now, parent, snapshot) = (Timestamp::default(), self.last, &self.snapshot);
        let plan = plan(&PlanInput { now, id, parent, snapshot, aim }).unwrap();
        if let Err(violations) = check(&plan, &self.snapshot) {
            panic!("{violations:#?}\nin {plan:#?}");
        }
        plan
    }

    /// Carries a plan out: assignments change, nobody has obeyed yet.
    pub fn execute(&mut self, plan: &PlanSpec) {
        let changed: BTreeMap<Name, AssignmentSpec> = assign(Some(plan), &self.snapshot).unwrap();
        for (node, spec) in changed {
            if let Some(old) = self.snapshot.assignments.iter_mut().find(|a| a.meta.name == node) {
                old.spec = spec;
                old.meta.generation += 1;
            } else {
                let meta = self.meta(lepton_model::Key::estate(), node.as_str());
                self.snapshot.assignments.push(Object { meta, spec, status: Default::default() });
            }
        }
        self.revision();
        self.last = Some(plan.id);
    }

    /// Every ready node's agent obeys: what is assigned runs well (jobs go on), what is not is gone.
    pub fn obey(&mut self) {
        let ready: Vec<Name> = self
            .snapshot
            .nodes
            .iter()
            .filter(|n| n.status.phase == NodePhase::Ready)
            .map(|n| n.meta.name.clone())
            .collect();
        let old = std::mem::take(&mut self.snapshot.reports);
        self.snapshot.reports = old.iter().filter(|r| !ready.contains(&r.node)).cloned().collect();
        for assignment in &self.snapshot.assignments {
            if !ready.contains(&assignment.meta.name) {
                continue;
            }
            for replica in &assignment.spec.replicas {
                let ended = old
                    .iter()
                    .find(|r| r.replica == replica.replica && r.incarnation == replica.incarnation)
                    .map(|r| r.phase)
                    .filter(|p| matches!(p, ReplicaPhase::Succeeded | ReplicaPhase::Failed));
                self.snapshot.reports.push(ReplicaReport {
                    replica: replica.replica.clone(),
                    incarnation: replica.incarnation,
                    generation: replica.generation,
                    node: assignment.meta.name.clone(),
                    phase: ended.unwrap_or(ReplicaPhase::Running),
                    pid: Some(1),
                    started_at: None,
                    restarts: 0,
                    last_exit: None,
                    ports: replica.ports.clone(),
                    checks: Vec::new(),
                    message: String::new(),
                });
            }
        }
    }

    /// Plans, executes and obeys until nothing is left to do.
    pub fn settle(&mut self) -> PlanSpec {
        for _ in 0..100 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                return plan;
            }
            self.execute(&plan);
            self.obey();
        }
        panic!("still not settled: {:#?}", self.plan());
    }

    /// `shop-0@a shop-1@b`, as assigned.
    pub fn layout(&self) -> String {
        let mut places: Vec<String> = self
            .snapshot
            .assignments
            .iter()
            .flat_map(|a| {
                a.spec.replicas.iter().map(move |r| format!("{}@{}", short(&r.replica), a.meta.name))
            })
            .collect();
        places.sort();
        places.join(" ")
    }
}

pub fn short(replica: &ReplicaName) -> String {
    format!("{}-{}", replica.name, replica.ordinal)
}

/// `start shop-0@a`, in order.
pub fn actions(plan: &PlanSpec) -> String {
    let all: Vec<String> = plan
        .actions
        .iter()
        .map(|a| format!("{} {}@{}", a.kind.as_str(), short(&a.replica), a.kind.node()))
        .collect();
    all.join(", ")
}

/// Final phase of a job's copies.
pub fn finish(estate: &mut Estate, job: &str, phase: ReplicaPhase) {
    for report in &mut estate.snapshot.reports {
        if report.replica.kind == Kind::Job && report.replica.name == job {
            report.phase = phase;
        }
    }
}
