//! The estate in memory: typed objects, kept up to the store by watching it.
//!
//! Reconcilers, agents' polls and token checks read here, so that none of them costs the store a read. Plans are kept
//! only until they are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lepton_model::{
    AnyObject, AssignmentSpec, IncidentSpec, JobSpec, Key, Kind, Name, NodeSpec, Object, PlanId, PlanPhase,
    PlanSpec, PolicySpec, RunbookSpec, ServiceSpec, Spec, TokenSpec, WebhookSpec,
};
use lepton_store::{ListInput, StoreError, WatchInput};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::app::App;
use crate::tasks::TaskKind;

/// Project and name.
pub(crate) type Place = (Name, Name);
type Shelf<S> = BTreeMap<Place, Arc<Object<S>>>;

/// Every object at one moment. Cloning copies pointers.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub revision: u64,
    /// Grows with every change that placement may depend on.
    pub placing: u64,
    pub nodes: Shelf<NodeSpec>,
    pub services: Shelf<ServiceSpec>,
    pub jobs: Shelf<JobSpec>,
    pub runbooks: Shelf<RunbookSpec>,
    pub webhooks: Shelf<WebhookSpec>,
    pub policies: Shelf<PolicySpec>,
    pub assignments: Shelf<AssignmentSpec>,
    pub incidents: Shelf<IncidentSpec>,
    pub tokens: Shelf<TokenSpec>,
    /// Names of the tokens that agents were given, by node.
    pub agent_tokens: BTreeMap<Name, BTreeSet<Name>>,
    /// Plans that are not carried out yet, oldest first.
    pub pending: BTreeMap<PlanId, Arc<Object<PlanSpec>>>,
    /// The newest plan.
    pub last_plan: Option<PlanId>,
}

/// Finds the object at `name` of the estate.
pub(crate) fn estate_place(name: &Name) -> Place {
    (Key::estate(), name.clone())
}

fn put<S: Spec>(shelf: &mut Shelf<S>, object: &AnyObject) {
    let place = (object.meta.project.clone(), object.meta.name.clone());
    if shelf.get(&place).is_some_and(|have| have.meta.revision > object.meta.revision) {
        return;
    }
    match object.decode::<S>() {
        Ok(object) => {
            shelf.insert(place, Arc::new(object));
        }
        Err(error) => {
            tracing::error!(object = %object.key(), %error, "stored object is unreadable and is left out");
            shelf.remove(&place);
        }
    }
}

fn drop_from<S: Spec>(shelf: &mut Shelf<S>, key: &Key, revision: u64) {
    let place = (key.project.clone(), key.name.clone());
    if shelf.get(&place).is_some_and(|have| have.meta.revision <= revision) {
        shelf.remove(&place);
    }
}

impl World {
    /// Whether a change may matter to placement: all but news of replicas, which the reports themselves tell.
    fn matters(&self, object: &AnyObject) -> bool {
        let place = (object.meta.project.clone(), object.meta.name.clone());
        let generation = match object.kind {
            Kind::Service => self.services.get(&place).map(|old| old.meta.generation),
            Kind::Incident | Kind::Token | Kind::Webhook | Kind::Policy => Some(object.meta.generation),
            Kind::Node | Kind::Job | Kind::Runbook | Kind::Assignment | Kind::Plan => None,
        };
        generation != Some(object.meta.generation)
    }

    fn put(&mut self, object: &AnyObject) {
        match object.kind {
            Kind::Node => put(&mut self.nodes, object),
            Kind::Service => put(&mut self.services, object),
            Kind::Job => put(&mut self.jobs, object),
            Kind::Runbook => put(&mut self.runbooks, object),
            Kind::Webhook => put(&mut self.webhooks, object),
            Kind::Policy => put(&mut self.policies, object),
            Kind::Assignment => put(&mut self.assignments, object),
            Kind::Incident => put(&mut self.incidents, object),
            Kind::Token => {
                put(&mut self.tokens, object);
                let place = (object.meta.project.clone(), object.meta.name.clone());
                if let Some(node) = self.tokens.get(&place).and_then(|token| token.spec.node.clone()) {
                    self.agent_tokens.entry(node).or_default().insert(place.1);
                }
            }
            Kind::Plan => self.put_plan(object),
        }
    }

    fn put_plan(&mut self, object: &AnyObject) {
        let plan = match object.decode::<PlanSpec>() {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(object = %object.key(), %error, "stored plan is unreadable and is left out");
                return;
            }
        };
        self.last_plan = self.last_plan.max(Some(plan.spec.id));
        if plan.status.phase == PlanPhase::Pending {
            self.pending.insert(plan.spec.id, Arc::new(plan));
        } else {
            self.pending.remove(&plan.spec.id);
        }
    }

    fn delete(&mut self, key: &Key, revision: u64) {
        match key.kind {
            Kind::Node => drop_from(&mut self.nodes, key, revision),
            Kind::Service => drop_from(&mut self.services, key, revision),
            Kind::Job => drop_from(&mut self.jobs, key, revision),
            Kind::Runbook => drop_from(&mut self.runbooks, key, revision),
            Kind::Webhook => drop_from(&mut self.webhooks, key, revision),
            Kind::Policy => drop_from(&mut self.policies, key, revision),
            Kind::Assignment => drop_from(&mut self.assignments, key, revision),
            Kind::Incident => drop_from(&mut self.incidents, key, revision),
            Kind::Token => {
                let place = (key.project.clone(), key.name.clone());
                let node = self.tokens.get(&place).and_then(|token| token.spec.node.clone());
                drop_from(&mut self.tokens, key, revision);
                if let Some(node) = node.filter(|_| !self.tokens.contains_key(&place)) {
                    let names = self.agent_tokens.entry(node.clone()).or_default();
                    names.remove(&key.name);
                    if names.is_empty() {
                        self.agent_tokens.remove(&node);
                    }
                }
            }
            Kind::Plan => {
                if let Ok(id) = key.name.as_str().parse() {
                    self.pending.remove(&id);
                }
            }
        }
    }
}

/// The current [`World`].
pub(crate) struct View {
    world: RwLock<Arc<World>>,
    revision: watch::Sender<u64>,
}

impl Default for View {
    fn default() -> Self {
        Self { world: RwLock::default(), revision: watch::Sender::new(0) }
    }
}

impl View {
    /// The world now. It does not change while held.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.read())
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Waits until a revision is seen here, so that a caller who just wrote it reads it. Whether it was within a second.
    pub async fn reached(&self, revision: u64) -> bool {
        let mut changes = self.changes();
        let wait = changes.wait_for(|seen| *seen >= revision);
        tokio::time::timeout(Duration::from_secs(1), wait).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Reads everything once; returns the revision to watch from.
    pub async fn load(app: &App) -> Result<u64, StoreError> {
        // Taken before the lists: changes that come in between are seen twice, which does no harm.
        let from = app.store.revision().await?;
        let mut world = World::default();
        for kind in Kind::ALL {
            let mut after = None;
            loop {
                let input = ListInput { limit: 5_000, after: after.take(), ..ListInput::default() };
                let page = app.store.list(*kind, input).await?;
                page.items.iter().for_each(|object| world.put(object));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        world.revision = from;
        world.placing = app.view.world().placing + 1;
        for token in world.tokens.values() {
            app.credentials.put(token);
        }
        for assignment in world.assignments.values() {
            app.agents.want(assignment);
        }
        *app.view.world.write() = Arc::new(world);
        app.view.revision.send_replace(from);
        Ok(from)
    }

    /// Follows the store until the server ends.
    pub async fn follow(app: App, mut from: u64) {
        let ending = app.tasks.ending(TaskKind::View);
        while !ending.is_cancelled() {
            let input = WatchInput { from, ..WatchInput::default() };
            let watching = app.store.watch(&input, 1_000, Duration::from_secs(60));
            let Some(answer) = ending.run_until_cancelled(watching).await else { return };
            match answer {
                Ok((events, next)) => {
                    app.view.take(&app, &events, next);
                    from = next;
                }
                Err(error) => {
                    tracing::warn!(%error, "watching the store failed; everything is read again");
                    match Self::load(&app).await {
                        Ok(revision) => from = revision,
                        Err(error) => {
                            tracing::error!(%error, "reading the store failed");
                            ending.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
                        }
                    }
                }
            }
        }
    }

    fn take(&self, app: &App, events: &[lepton_store::WatchEvent], revision: u64) {
        {
            let mut guard = self.world.write();
            // Copies the shelves' pointers only when somebody holds the world of before.
            let world = Arc::make_mut(&mut guard);
            for event in events {
                match &event.object {
                    Some(object) => {
                        world.placing += u64::from(world.matters(object));
                        world.put(object);
                    }
                    None => {
                        world.placing += 1;
                        world.delete(&event.key, event.revision);
                    }
                }
            }
            world.revision = revision;
        }
        let world = self.world();
        for event in events {
            let place = (event.key.project.clone(), event.key.name.clone());
            match event.key.kind {
                Kind::Token => match world.tokens.get(&place) {
                    Some(token) => app.credentials.put(token),
                    None => app.credentials.remove(&event.key.name),
                },
                Kind::Assignment => match world.assignments.get(&place) {
                    Some(assignment) => app.agents.want(assignment),
                    None => app.agents.forget_want(&event.key.name),
                },
                Kind::Node if event.object.is_none() => app.agents.remove(&event.key.name),
                _ => {}
            }
        }
        self.revision.send_replace(revision);
    }
}
