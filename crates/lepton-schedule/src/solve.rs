//! The whole decision, phase by phase: take over what runs, place what does not, repair, improve, order, explain.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};

use crate::bound::lower_bound;
use crate::compile::Model;
use crate::explain;
use crate::fit::{held_back, pick_devices, refusal, short_of_now};
use crate::improve::improve;
use crate::order::order_moves;
use crate::place::{explain_refusal, place};
use crate::preempt::preempt;
use crate::problem::{NodeState, Problem};
use crate::score::objective;
use crate::solution::{
    Assignment, Constraint, Launch, Placement, Preemption, Refusal, Solution, Termination, Unplaced,
};
use crate::state::{NOWHERE, State};
use crate::validate::ProblemError;

/// How long to go on improving. Placement itself is not cut short: an answer is always whole.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Most improvement steps (one replica or one node looked at).
    pub steps: u64,
    /// Threads that may be used.
    pub threads: usize,
    /// Seed of whatever is drawn.
    pub seed: u64,
    /// Asked now and then; true ends improvement. This is how a caller with a clock sets a time limit.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Self { steps: 200_000, threads: 1, seed: 42, stop: None }
    }
}

impl Budget<'_> {
    /// Whether the caller wants the answer now.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop())
    }
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("steps", &self.steps)
            .field("threads", &self.threads)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// What happened to a replica, for its reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Story {
    /// Stays where it was.
    Kept,
    /// Stays although it should not.
    Stuck(String),
    /// Started.
    Placed,
    /// Started or moved because of this.
    Because(String),
}

/// Decides where everything runs, starting from where it runs now.
///
/// Higher priorities are placed first. What runs is never stopped but for a higher priority, a node without room for it
/// or a node that is gone; it is moved when it must (drain, a broken constraint) or when that saves more than it costs.
/// Placements of unknown workloads, ordinals beyond `replicas` and unknown nodes are taken as no longer running.
///
/// # Errors
/// [`ProblemError`] when the problem contradicts itself; never for lack of room, which is part of the answer.
pub fn solve(
    problem: &Problem,
    previous: &Assignment,
    budget: &Budget<'_>,
) -> Result<Solution, ProblemError> {
    let model = Model::new(problem)?;
    let mut run = Run::new(&model, previous);
    let before = objective(&model, &run.state);
    run.place_all();
    let mut steps = 0;
    if problem.strategy.rebalance {
        // Better places may leave room for those that had none, and what takes it may be worth making room for elsewhere.
        while steps < budget.steps {
            let left = Budget { steps: budget.steps - steps, ..*budget };
            steps += improve(&mut run, &left).max(1);
            if budget.stopped() || !run.place_refused() {
                break;
            }
        }
    }
    let mut solution = run.finish();
    solution.before = before;
    solution.steps = steps;
    Ok(solution)
}

/// Rank of the workload, replica, workload: the natural order is the order of service.
type Urgency = (u32, u32, u32);

/// A decision in the making.
pub(crate) struct Run<'m> {
    pub model: &'m Model<'m>,
    pub state: State,
    pub story: HashMap<u32, Story>,
    /// Where each replica ran before.
    origin: Vec<u32>,
    /// Replica, its workload, the node it ran on, the workload it gave way to.
    preempted: Vec<(u32, u32, u32, u32)>,
    /// By workload: why its replicas found no place.
    refused: HashMap<u32, Refusal>,
    /// Disruptions left by project.
    pub budgets: Vec<u32>,
}

impl<'m> Run<'m> {
    /// What runs, put where it runs.
    pub(crate) fn new(model: &'m Model<'m>, previous: &Assignment) -> Self {
        let budgets = (0..model.projects.len()).map(|p| {
            let name = model.projects.get(p).map_or("", String::as_str);
            model.problem.disruption_budgets.get(name).copied().unwrap_or(u32::MAX)
        });
        let budgets = budgets.collect();
        let mut run = Self {
            model,
            state: State::new(model),
            story: HashMap::new(),
            origin: Vec::new(),
            preempted: Vec::new(),
            refused: HashMap::new(),
            budgets,
        };
        run.take_over(previous);
        run.origin.clone_from(&run.state.home);
        run
    }

    /// Puts what runs where it runs, as far as there is room: higher priorities first.
    fn take_over(&mut self, previous: &Assignment) {
        let model = self.model;
        let works: HashMap<&str, u32> =
            model.problem.workloads.iter().enumerate().map(|(i, w)| (w.name.as_str(), i as u32)).collect();
        let nodes: HashMap<&str, u32> =
            model.machines.iter().enumerate().map(|(i, m)| (m.name.as_str(), i as u32)).collect();
        let mut running = Vec::with_capacity(previous.placements.len());
        for p in &previous.placements {
            let Some(&work) = works.get(p.workload.as_str()) else { continue };
            let w = &model.works[work as usize];
            if p.ordinal >= w.replicas {
                continue;
            }
            let replica = w.first + p.ordinal;
            match nodes.get(p.node.as_str()) {
                Some(&node) => running.push((replica, work, node, &p.gpus)),
                None => {
                    self.story.insert(replica, Story::Because(format!("node {} is gone", p.node)));
                }
            }
        }
        running
            .sort_by_key(|(replica, work, ..)| (-i64::from(model.works[*work as usize].priority), *replica));
        running.dedup_by_key(|(replica, ..)| *replica);
        for (replica, work, node, gpus) in running {
            let w = &model.works[work as usize];
            let machine = &model.machines[node as usize];
            let free = &self.state.gpu_free[node as usize];
            let as_given = gpus.len() == w.devices as usize
                && gpus.windows(2).all(|d| d[0] < d[1])
                && gpus.iter().all(|d| free.get(*d as usize).is_some_and(|left| *left >= w.milli));
            let devices = match (w.devices, as_given) {
                (0, _) => Some(Vec::new()),
                (_, true) => Some(gpus.clone()),
                (_, false) => pick_devices(w, machine, free),
            };
            match (short_of_now(model, &self.state, work, node), devices) {
                (None, Some(devices)) => {
                    self.state.enter(model, replica, work, node, devices);
                    // Only now, so that what it holds is counted once.
                    self.state.settle(replica);
                    self.story.insert(replica, Story::Kept);
                }
                (short, _) => {
                    let what = short.map_or_else(|| "gpu".to_owned(), |c| c.to_string());
                    let why = format!("node {} no longer has room for it ({what})", machine.name);
                    self.story.insert(replica, Story::Because(why));
                }
            }
        }
    }

    /// Sorts replicas by urgency: priority (inherited by what others must be near), then what others must be near, then size, then order of input.
    fn urgency(&self) -> impl Fn(u32, u32) -> Urgency + use<> {
        let model = self.model;
        let mut order: Vec<u32> = (0..model.works.len() as u32).collect();
        let sizes: Vec<f64> = model.works.iter().map(|w| crate::score::size(model, w)).collect();
        order.sort_by(|a, b| {
            let (wa, wb) = (&model.works[*a as usize], &model.works[*b as usize]);
            wb.urgency
                .cmp(&wa.urgency)
                .then(wa.depth.cmp(&wb.depth))
                .then(sizes[*b as usize].total_cmp(&sizes[*a as usize]))
                .then(a.cmp(b))
        });
        let mut rank = vec![0; order.len()];
        for (r, w) in order.into_iter().enumerate() {
            rank[w as usize] = r as u32;
        }
        move |replica, work| (rank[work as usize], replica, work)
    }

    fn place_all(&mut self) {
        let model = self.model;
        let urgency = self.urgency();
        let mut waiting = BTreeSet::new();
        let mut running = BTreeSet::new();
        for (i, w) in model.works.iter().enumerate() {
            for replica in w.first..w.first + w.replicas {
                let set =
                    if self.state.at[replica as usize] == NOWHERE { &mut waiting } else { &mut running };
                set.insert(urgency(replica, i as u32));
            }
        }
        // What must leave is moved before newcomers take the room; an uneven spread is looked at only afterwards, since
        // newcomers may even it out and nothing that runs has to move.
        for &(_, replica, work) in &running {
            self.correct(replica, work, |wrong| !matches!(wrong, Constraint::Spread(_)));
        }
        while let Some((_, replica, work)) = waiting.pop_first() {
            for (victim, its) in self.start(replica, work) {
                waiting.insert(urgency(victim, its));
            }
        }
        for (_, replica, work) in running {
            if self.state.at[replica as usize] != NOWHERE {
                self.correct(replica, work, |wrong| matches!(wrong, Constraint::Spread(_)));
            }
        }
    }

    /// Tries those without a place once more; true when one found some.
    fn place_refused(&mut self) -> bool {
        let model = self.model;
        let refused: Vec<u32> = self.refused.keys().copied().collect();
        let urgency = self.urgency();
        let mut waiting = BTreeSet::new();
        for work in refused {
            let w = &model.works[work as usize];
            let left = (w.first..w.first + w.replicas).filter(|r| self.state.at[*r as usize] == NOWHERE);
            waiting.extend(left.map(|r| urgency(r, work)));
        }
        let mut placed = false;
        while let Some((_, replica, work)) = waiting.pop_first() {
            for (victim, its) in self.start(replica, work) {
                waiting.insert(urgency(victim, its));
            }
            placed |= self.state.at[replica as usize] != NOWHERE;
        }
        placed
    }

    /// Moves a running replica whose place breaks a constraint that concerns us; leaves it there when no other place will do.
    fn correct(&mut self, replica: u32, work: u32, concerns: impl Fn(&Constraint) -> bool) {
        let model = self.model;
        let node = self.state.at[replica as usize];
        let devices = self.state.devices.get(&replica).cloned().unwrap_or_default();
        self.state.leave(model, replica, work);
        let Some(wrong) = refusal(model, &self.state, work, replica, node).filter(concerns) else {
            self.state.enter(model, replica, work, node, devices);
            return;
        };
        let why = match wrong {
            Constraint::Closed => {
                format!("node {} is being drained", self.state.machines[node as usize].name)
            }
            other => format!("where it ran is now {other}"),
        };
        let project = model.works[work as usize].project as usize;
        self.state.enter(model, replica, work, node, devices.clone());
        if held_back(model, &self.state, work, replica, true).is_none() && self.budgets[project] > 0 {
            self.state.leave(model, replica, work);
            if place(model, &mut self.state, work, replica).is_some() {
                self.spend(project);
                self.story.insert(replica, Story::Because(why));
                return;
            }
            self.state.enter(model, replica, work, node, devices);
        }
        self.story.insert(replica, Story::Stuck(why));
    }

    /// Starts a replica, stopping others if that is the only way; returns those.
    fn start(&mut self, replica: u32, work: u32) -> Vec<(u32, u32)> {
        let model = self.model;
        if place(model, &mut self.state, work, replica).is_some() {
            self.story.entry(replica).or_insert(Story::Placed);
            return Vec::new();
        }
        if model.problem.strategy.priority > 0.0
            && let Some((_, victims)) = preempt(model, &mut self.state, work, replica, &self.budgets)
        {
            let name = &model.problem.workloads[work as usize].name;
            for &(victim, its) in &victims {
                self.story.insert(victim, Story::Because(format!("gave way to {name}")));
                let ran = self.origin[victim as usize];
                // One that was only about to start simply does not.
                if ran != NOWHERE && !self.preempted.iter().any(|(v, ..)| *v == victim) {
                    self.spend(model.works[its as usize].project as usize);
                    self.preempted.push((victim, its, ran, work));
                }
            }
            self.story.insert(
                replica,
                Story::Because(format!("took the place of {} of lower priority", victims.len())),
            );
            return victims;
        }
        // One look at all nodes tells for all replicas of a workload.
        if !self.refused.contains_key(&work) {
            self.refused.insert(work, explain_refusal(model, &self.state, work, replica));
        }
        Vec::new()
    }

    fn spend(&mut self, project: usize) {
        let left = &mut self.budgets[project];
        if *left != u32::MAX {
            *left = left.saturating_sub(1);
        }
    }

    /// Whether the budget of its project lets a replica leave a node; one that has not started there yet is free.
    pub(crate) fn may_move(&self, replica: u32, work: u32, node: u32) -> bool {
        let project = self.model.works[work as usize].project as usize;
        self.state.home[replica as usize] != node || self.budgets[project] > 0
    }

    /// The same for several replicas at once.
    pub(crate) fn may_move_all(&self, replicas: impl Iterator<Item = (u32, u32)>, node: u32) -> bool {
        let mut spent: HashMap<usize, u32> = HashMap::new();
        for (replica, work) in replicas {
            if self.state.home[replica as usize] == node {
                *spent.entry(self.model.works[work as usize].project as usize).or_insert(0) += 1;
            }
        }
        spent.into_iter().all(|(project, n)| n <= self.budgets[project])
    }

    /// What a move must save beyond its cost.
    pub(crate) fn hysteresis(&self, replica: u32, work: u32, from: u32) -> f64 {
        let at_home = self.state.home[replica as usize] == from;
        if at_home {
            self.model.problem.strategy.hysteresis * self.model.works[work as usize].move_cost
        } else {
            0.0
        }
    }

    /// Records that a replica left a node for a better one.
    pub(crate) fn moved(&mut self, replica: u32, work: u32, from: u32, why: impl FnOnce() -> Story) {
        if self.state.home[replica as usize] == from {
            self.spend(self.model.works[work as usize].project as usize);
            self.story.insert(replica, why());
        } else if self.state.at[replica as usize] == self.state.home[replica as usize] {
            self.story.insert(replica, Story::Kept);
        }
    }

    /// Whether everyone who must be near a workload still is, and its spreads hold, after it moved.
    pub(crate) fn keeps_others(&self, work: u32) -> bool {
        let (model, state) = (self.model, &self.state);
        let w = &model.works[work as usize];
        let near = w.needed_by.iter().all(|p| state.all_near(p.work, work, p.topology));
        let spread = (0..w.spread.len()).filter(|i| w.spread[*i].required).all(|i| {
            let (_, fewest, used) = state.spread(work, i, crate::compile::NO_DOMAIN);
            let skew = state.most(work, i).saturating_sub(fewest) <= w.spread[i].max_skew;
            skew && used >= w.spread[i].min_domains.min(state.running(work))
        });
        near && spread
    }

    fn finish(self) -> Solution {
        let Self { model, state, story, preempted, refused, .. } = self;
        let names = |work: u32| model.problem.workloads[work as usize].name.clone();
        let objective = objective(model, &state);
        let lower_bound = lower_bound(model, &state).min(objective.total());
        let mut solution = Solution { objective, lower_bound, ..Solution::default() };
        for (i, w) in model.works.iter().enumerate() {
            for replica in w.first..w.first + w.replicas {
                let (workload, ordinal) = (names(i as u32), replica - w.first);
                let node = state.at[replica as usize];
                if node == NOWHERE {
                    let why = refused.get(&(i as u32)).cloned().unwrap_or_default();
                    solution.unplaced.push(Unplaced { workload, ordinal, why });
                } else {
                    solution.assignment.placements.push(Placement {
                        workload,
                        ordinal,
                        node: state.machines[node as usize].name.clone(),
                        gpus: state.devices.get(&replica).cloned().unwrap_or_default(),
                    });
                }
            }
        }
        let existing = model.machines.len();
        for (n, machine) in state.machines.iter().enumerate() {
            let idle = state.on[n].is_empty();
            if n >= existing && !idle {
                let offer = machine.offer.map_or_else(String::new, |o| model.offers[o as usize].name.clone());
                let why = format!("{} replicas fit nowhere that exists at this price", state.on[n].len());
                let price_hour = machine.price;
                solution.launches.push(Launch { node: machine.name.clone(), offer, price_hour, why });
            } else if n < existing && idle && machine.removable && machine.state != NodeState::Cordoned {
                let why = "nothing runs on it".to_owned();
                solution.terminations.push(Termination {
                    node: machine.name.clone(),
                    saves_hour: machine.price,
                    why,
                });
            }
        }
        for &(replica, work, node, by) in &preempted {
            solution.preemptions.push(Preemption {
                workload: names(work),
                ordinal: replica - model.works[work as usize].first,
                node: state.machines[node as usize].name.clone(),
                by: names(by),
            });
        }
        solution.moves = order_moves(model, &state, &story);
        solution.reasons = explain::reasons(model, &state, &story);
        solution
    }
}
