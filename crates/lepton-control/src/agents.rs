//! The agents: what each should do, what each last said, when it was last heard, and the logs that people read through it.
//!
//! All of this is in memory. What agents should do comes from the store through the view; what they said comes again
//! within a third of the lease, so that a server that starts anew knows it soon, and grants every node a full lease first.

mod stream;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lepton_api::v1::{AgentStatusInput, LogRequest};
use lepton_model::{AssignmentSpec, CheckReport, Name, Object, ReplicaReport};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::clock;

pub(crate) use stream::{LogReader, Uploads};

/// What an agent should know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Want {
    /// Generation of its assignment; 0 when there is none.
    pub generation: u64,
    /// Its assignment.
    pub assignment: Arc<AssignmentSpec>,
    /// Logs somebody wants to read.
    pub streams: Arc<Vec<LogRequest>>,
    /// Counts changes of `streams`.
    pub streams_version: u64,
}

/// One agent.
pub(crate) struct Agent {
    want: watch::Sender<Want>,
    /// Milliseconds from the server's start to the last contact.
    contact: AtomicU64,
    said: Mutex<Option<Arc<AgentStatusInput>>>,
    /// How much its clock differed from the server's, in milliseconds.
    skew: AtomicU64,
}

/// All agents, by node.
pub(crate) struct Agents {
    started: Instant,
    all: RwLock<HashMap<Name, Arc<Agent>>>,
    reports: watch::Sender<u64>,
    /// Uploads of logs that are under way or awaited.
    pub uploads: Uploads,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            all: RwLock::default(),
            reports: watch::Sender::new(0),
            uploads: Uploads::default(),
        }
    }
}

impl Agents {
    fn agent(&self, node: &Name) -> Arc<Agent> {
        if let Some(agent) = self.all.read().get(node) {
            return Arc::clone(agent);
        }
        let fresh = || {
            let contact = AtomicU64::new(self.elapsed());
            Arc::new(Agent {
                want: watch::Sender::new(Want::default()),
                contact,
                said: Mutex::default(),
                skew: AtomicU64::new(0),
            })
        };
        Arc::clone(self.all.write().entry(node.clone()).or_insert_with(fresh))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sets what a node should run.
    pub fn want(&self, assignment: &Object<AssignmentSpec>) {
        self.agent(&assignment.meta.name).want.send_if_modified(|want| {
            let newer = assignment.meta.generation > want.generation;
            if newer {
                want.generation = assignment.meta.generation;
                want.assignment = Arc::new(assignment.spec.clone());
            }
            newer
        });
    }

    /// The node's assignment was deleted.
    pub fn forget_want(&self, node: &Name) {
        if let Some(agent) = self.all.read().get(node) {
            agent.want.send_modify(|want| (want.generation, want.assignment) = (0, Arc::default()));
        }
    }

    /// The node was deleted.
    pub fn remove(&self, node: &Name) {
        self.all.write().remove(node);
    }

    /// Changes the list of logs that are wanted from a node.
    fn change_streams(&self, node: &Name, change: impl FnOnce(&mut Vec<LogRequest>)) {
        self.agent(node).want.send_modify(|want| {
            let mut streams = Vec::clone(&want.streams);
            change(&mut streams);
            want.streams = Arc::new(streams);
            want.streams_version += 1;
        });
    }

    /// Follows what a node should do; the current value counts as seen only once it was looked at.
    pub fn follow(&self, node: &Name) -> watch::Receiver<Want> {
        self.agent(node).want.subscribe()
    }

    /// The node was heard.
    pub fn touch(&self, node: &Name) {
        self.agent(node).contact.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Time since the node was last heard; since the server's start when it was not.
    pub fn silent_for(&self, node: &Name) -> Duration {
        let last = self.all.read().get(node).map_or(0, |agent| agent.contact.load(Ordering::Relaxed));
        Duration::from_millis(self.elapsed().saturating_sub(last))
    }

    /// Takes an agent's whole state. Reconcilers are woken only when it says something new.
    pub fn say(&self, node: &Name, status: AgentStatusInput) {
        self.touch(node);
        let agent = self.agent(node);
        let skew = clock::now().as_millis().abs_diff(status.now.as_millis());
        agent.skew.store(skew, Ordering::Relaxed);
        let mut said = agent.said.lock();
        let news = said.as_deref().is_none_or(|before| differs(before, &status));
        *said = Some(Arc::new(status));
        drop(said);
        if news {
            self.reports.send_modify(|count| *count += 1);
        }
    }

    /// Forgets what a node said, when another machine takes its name.
    pub fn forget_said(&self, node: &Name) {
        *self.agent(node).said.lock() = None;
    }

    /// What a node last said since this server started.
    pub fn said(&self, node: &Name) -> Option<Arc<AgentStatusInput>> {
        self.all.read().get(node)?.said.lock().clone()
    }

    /// How much the node's clock differed from the server's when it last spoke.
    pub fn skew(&self, node: &Name) -> Duration {
        let millis = self.all.read().get(node).map_or(0, |agent| agent.skew.load(Ordering::Relaxed));
        Duration::from_millis(millis)
    }

    /// Tells of every report that says something new.
    pub fn reports(&self) -> watch::Receiver<u64> {
        self.reports.subscribe()
    }

    /// Every node known here: its name, how long it has been silent, whether it has spoken since the start, and the
    /// generation it is told.
    pub fn list(&self) -> Vec<(Name, Duration, bool, u64)> {
        let now = self.elapsed();
        let all = self.all.read();
        let row = |(name, agent): (&Name, &Arc<Agent>)| {
            let silent = now.saturating_sub(agent.contact.load(Ordering::Relaxed));
            let generation = agent.want.borrow().generation;
            (name.clone(), Duration::from_millis(silent), agent.said.lock().is_some(), generation)
        };
        all.iter().map(row).collect()
    }

    /// Agents heard within `lease`.
    pub fn connected(&self, lease: Duration) -> usize {
        let now = self.elapsed();
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let heard = |agent: &Arc<Agent>| {
            agent.said.lock().is_some() && now.saturating_sub(agent.contact.load(Ordering::Relaxed)) <= lease
        };
        self.all.read().values().filter(|agent| heard(agent)).count()
    }
}

fn differs(before: &AgentStatusInput, after: &AgentStatusInput) -> bool {
    before.generation != after.generation
        || before.facts != after.facts
        || before.capacity != after.capacity
        || before.conditions != after.conditions
        || before.ports_taken != after.ports_taken
        || before.replicas.len() != after.replicas.len()
        || before.replicas.iter().zip(&after.replicas).any(|(a, b)| !same_news(a, b))
}

/// Whether two reports tell the same story: every probe has a new moment and duration, which is no news.
pub(crate) fn same_news(a: &ReplicaReport, b: &ReplicaReport) -> bool {
    let same_check = |a: &CheckReport, b: &CheckReport| a.name == b.name && a.healthy == b.healthy;
    let checks =
        a.checks.len() == b.checks.len() && a.checks.iter().zip(&b.checks).all(|(a, b)| same_check(a, b));
    checks
        && a.replica == b.replica
        && a.incarnation == b.incarnation
        && a.generation == b.generation
        && a.node == b.node
        && a.phase == b.phase
        && a.pid == b.pid
        && a.started_at == b.started_at
        && a.restarts == b.restarts
        && a.last_exit == b.last_exit
        && a.ports == b.ports
        && a.message == b.message
}
