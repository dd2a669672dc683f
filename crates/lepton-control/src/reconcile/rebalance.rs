//! Looks for a better whole: fewer or cheaper machines, evener load. Advises, or acts a few moves at a time, as the policy says.
//!
//! ```text
//!   settled estate ─► plan with the policy's aim ─► nothing pays: no advice
//!                                                └► advise: advice in the policy's status
//!                                                └► act: a Plan ─► assignment_execute ─► verified ─► saved, on the record
//! ```

use std::collections::BTreeMap;

use lepton_model::{
    Act, Actor, Key, Kind, Labels, Name, Object, Outcome as Result_, PlanPhase, PlanReport, PlanSpec,
    PlannedMove, PolicySpec, PolicyStatus, RebalanceAdvice, RebalanceMode, RebalancePolicy, RebalanceStep,
    ReplicaPhase, Subject, TimelineEntry, Timestamp,
};
use lepton_plan::{Aim, MoveLimits, Snapshot};
use lepton_store::{Change, Expect, Fence, Transaction};
use rust_decimal::Decimal;

use super::placement_plan::{make, planned_now, put_plan, take_snapshot};
use super::{Fault, Outcome};
use crate::app::App;
use crate::view::{World, estate_place};
use crate::{clock, record};

/// Time without steps after one that could not be verified.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(3_600);
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);
/// Steps and moves that the status keeps.
const STEPS: usize = 100;
const MOVES: usize = 20;

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let world = app.view.world();
    let name = Name::new(PolicySpec::NAME).map_err(|error| Fault::Other(error.to_string()))?;
    let policy = world.policies.get(&estate_place(&name)).cloned();
    let spec = policy.as_ref().map(|policy| policy.spec.rebalance.clone()).unwrap_or_default();
    let before = policy.as_ref().map(|policy| policy.status.clone()).unwrap_or_default();
    let now = clock::now();
    let mut round =
        Round { key: Key::of_estate(Kind::Policy, name), now, status: before.clone(), timeline: Vec::new() };
    let mut plan = None;
    if let Some(step) = round.status.running.take() {
        round.verify(&app, &world, &spec, step).await?;
    } else if spec.mode == RebalanceMode::Off {
        round.status.advice = None;
    } else if due(&app, &spec, now) && planned_now(&app, &world) {
        plan = round.look(&app, &world, &spec).await?;
        *app.reconcilers.memory.rebalanced_at.lock() = Some(now);
    }
    let Round { key, status, timeline, .. } = round;
    if status == before {
        return Ok(None);
    }
    let message = timeline.last().map(|entry| entry.reason.clone());
    let mut transaction = Transaction { changes: Vec::new(), timeline, fence: Some(fence) };
    if let Some(plan) = &plan {
        put_plan(plan, &mut transaction)?;
    }
    let status = serde_json::to_value(status)?;
    match policy {
        Some(policy) => {
            let expect = Expect::Revision(policy.meta.revision);
            transaction.changes.push(Change::PutStatus { key, status, expect });
        }
        // Nobody wrote a policy, and there is something to say: the usual one, so that it can be seen and changed.
        None => {
            let spec = serde_json::to_value(PolicySpec::default())?;
            let (uid, labels, expect) = (clock::uid(), Labels::new(), Expect::Absent);
            transaction.changes.push(Change::PutSpec { key: key.clone(), uid, labels, spec, expect });
            transaction.changes.push(Change::PutStatus { key, status, expect: Expect::Present });
        }
    }
    let report = app.store.commit(now, transaction).await?;
    app.view.reached(report.revision).await;
    Ok(message)
}

fn due(app: &App, spec: &RebalancePolicy, now: Timestamp) -> bool {
    app.reconcilers.memory.rebalanced_at.lock().is_none_or(|last| now.since(last) >= spec.every.duration())
}

/// One run in the making.
struct Round {
    key: Key,
    now: Timestamp,
    status: PolicyStatus,
    timeline: Vec<TimelineEntry>,
}

impl Round {
    fn tell(&mut self, reason: &str, outcome: Result_, step: Option<&RebalanceStep>) {
        let actor = Actor::reconciler("rebalance");
        let subject = Subject::from(self.key.clone());
        let mut entry = record::entry(self.now, actor, Act::Rebalance, subject, reason);
        (entry.outcome, entry.plan) = (outcome, step.map(|step| step.plan));
        self.timeline.push(entry);
    }

    /// Finds what would pay; returns the plan to be carried out, if the policy lets it act.
    async fn look(
        &mut self,
        app: &App,
        world: &World,
        spec: &RebalancePolicy,
    ) -> Result<Option<PlanSpec>, Fault> {
        let acts =
            spec.mode == RebalanceMode::Act && self.status.paused_until.is_none_or(|until| until <= self.now);
        let aim = Aim {
            strategy: spec.strategy,
            horizon: spec.horizon,
            hysteresis: spec.hysteresis,
            limits: Some(MoveLimits { projects: self.budgets(world, spec, acts) }),
        };
        let plan = make(world, take_snapshot(app, world), Some(aim)).await?;
        let Some(report) = plan.report.as_ref().filter(|report| !report.moves.is_empty()) else {
            self.status.advice = None;
            return Ok(None);
        };
        self.advise(report);
        if !acts || plan.actions.is_empty() {
            return Ok(None);
        }
        let moved =
            |planned: &&PlannedMove| plan.actions.iter().any(|action| action.replica == planned.replica);
        let step = RebalanceStep {
            plan: plan.id,
            started_at: self.now,
            ended_at: None,
            moves: report.moves.iter().filter(moved).cloned().collect(),
            cost_before: report.cost_before,
            cost_expected: report.cost_after,
            cost_after: None,
            outcome: Result_::Ok,
            message: String::new(),
        };
        self.status.paused_until = None;
        self.tell(
            &format!("moves {} of {} replicas: {}", step.moves.len(), report.moves.len(), summary(report)),
            Result_::Ok,
            Some(&step),
        );
        self.status.running = Some(step);
        Ok(Some(plan))
    }

    /// What may still be moved now, by project.
    fn budgets(&self, world: &World, spec: &RebalancePolicy, acts: bool) -> BTreeMap<Name, u32> {
        let mut moved: BTreeMap<&Name, u32> = BTreeMap::new();
        let lately = self.status.done.iter().filter(|step| self.now.since(step.started_at) < HOUR);
        for planned in lately.flat_map(|step| &step.moves) {
            *moved.entry(&planned.replica.project).or_default() += 1;
        }
        let projects = world.services.keys().map(|(project, _)| project);
        let left = |project: &Name| {
            let budget = spec.budget_of(project);
            let left = budget.per_hour.saturating_sub(moved.get(project).copied().unwrap_or(0));
            // Advice is for the whole; projects that are never to be moved stay out of it.
            if acts { budget.concurrent.min(left) } else { budget.per_hour.saturating_mul(u32::MAX) }
        };
        projects.map(|project| (project.clone(), left(project))).collect()
    }

    fn advise(&mut self, report: &PlanReport) {
        let mut advice = RebalanceAdvice {
            since: self.now,
            moves: u32::try_from(report.moves.len()).unwrap_or(u32::MAX),
            first: report.moves.iter().take(MOVES).cloned().collect(),
            frees: report.idle.clone(),
            cost_before: report.cost_before,
            cost_after: report.cost_aim,
            summary: summary(report),
        };
        let old = self.status.advice.take();
        if let Some(old) = &old {
            advice.since = old.since;
        }
        if old.as_ref().is_none_or(|old| old.summary != advice.summary) {
            advice.since = self.now;
            self.tell(&advice.summary, Result_::Ok, None);
        }
        self.status.advice = Some(advice);
    }

    /// Whether a step is done, and what it brought.
    async fn verify(
        &mut self,
        app: &App,
        world: &World,
        spec: &RebalancePolicy,
        mut step: RebalanceStep,
    ) -> Result<(), Fault> {
        let plan = Name::new(step.plan.to_string()).map_err(|error| Fault::Other(error.to_string()))?;
        let plan = app.store.get(&Key::of_estate(Kind::Plan, plan)).await?;
        let plan: Option<Object<PlanSpec>> = plan.and_then(|plan| plan.decode().ok());
        let phase = plan.map_or(PlanPhase::Superseded, |plan| plan.status.phase);
        let snapshot = take_snapshot(app, world);
        let there = step.moves.iter().filter(|planned| serves(&snapshot, planned)).count();
        let expected = saved(step.cost_before.amount, step.cost_expected.amount);
        let late = self.now.since(step.started_at) > spec.verify_within.duration();
        let currency = step.cost_before.currency;
        (step.outcome, step.message) = match phase {
            PlanPhase::Executed if there == step.moves.len() => {
                let after = snapshot.cost_in_use();
                step.cost_after = Some(after);
                let real = saved(step.cost_before.amount, after.amount);
                let told = format!(
                    "moved {there} replicas, all serve; expected to save {expected} {currency} an hour, saves {real}"
                );
                (Result_::Ok, told)
            }
            PlanPhase::Superseded => {
                (Result_::Skipped, "the estate had changed; nothing was moved".to_owned())
            }
            PlanPhase::Pending | PlanPhase::Executed if !late => {
                self.status.running = Some(step);
                return Ok(());
            }
            PlanPhase::Pending | PlanPhase::Executed => {
                self.status.paused_until = Some(self.now.after(PAUSE));
                let missing = step.moves.len() - there;
                let told = format!(
                    "{missing} of {} moved replicas do not serve after {}; rebalancing pauses for an hour",
                    step.moves.len(),
                    spec.verify_within
                );
                (Result_::Failed, told)
            }
        };
        step.ended_at = Some(self.now);
        let (message, outcome) = (step.message.clone(), step.outcome);
        self.tell(&message, outcome, Some(&step));
        self.status.done.push(step);
        let surplus = self.status.done.len().saturating_sub(STEPS);
        self.status.done.drain(..surplus);
        Ok(())
    }
}

fn serves(snapshot: &Snapshot, planned: &PlannedMove) -> bool {
    let here = |report: &&lepton_model::ReplicaReport| {
        report.replica == planned.replica && report.node == planned.to
    };
    snapshot.reports.iter().find(here).is_some_and(|report| report.phase == ReplicaPhase::Running)
}

fn saved(before: Decimal, after: Decimal) -> Decimal {
    before.saturating_sub(after).normalize()
}

fn summary(report: &PlanReport) -> String {
    let count = report.moves.len();
    let replicas = if count == 1 { "1 move".to_owned() } else { format!("{count} moves") };
    let saves = saved(report.cost_before.amount, report.cost_aim.amount);
    if saves.is_zero() {
        let (before, after) = (report.before.total(), report.objective.total());
        return format!(
            "{replicas} would better the {} objective from {before:.4} to {after:.4}",
            report.strategy
        );
    }
    let month = saves.saturating_mul(Decimal::from(730)).round_dp(2);
    let idle: Vec<_> = report.idle.iter().take(5).map(Name::as_str).collect();
    let more = report.idle.len().saturating_sub(idle.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "{replicas} would save {saves} {} an hour, {month} a month, once {}{more} are given back",
        report.currency,
        if idle.is_empty() { "the dearer nodes".to_owned() } else { idle.join(", ") }
    )
}
