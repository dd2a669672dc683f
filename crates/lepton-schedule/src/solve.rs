//! The whole decision, phase by phase: take over what runs, place what does not, repair, improve, order, explain.

use foldhash::{HashMap, HashMapExt};

use crate::compile::Model;
use crate::explain;
use crate::fit::{held_back, pick_devices, refusal, short_of_now};
use crate::order::order_moves;
use crate::place::{Placed, place};
use crate::problem::{NodeState, Problem};
use crate::score::objective;
use crate::solution::{Assignment, Launch, Placement, Preemption, Solution, Termination, Unplaced};
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
    let steps = run.improve(budget);
    let mut solution = run.finish();
    solution.before = before;
    solution.steps = steps;
    Ok(solution)
}

/// A decision in the making.
pub(crate) struct Run<'m> {
    pub model: &'m Model<'m>,
    pub state: State,
    pub story: HashMap<u32, Story>,
    preempted: Vec<(u32, u32, u32)>,
    refused: HashMap<u32, crate::solution::Refusal>,
    /// Disruptions left by project.
    pub budgets: Vec<u32>,
}

impl<'m> Run<'m> {
    fn new(model: &'m Model<'m>, previous: &Assignment) -> Self {
        let budgets = (0..model.projects.len()).map(|p| {
            let name = model.projects.get(p).map_or("", String::as_str);
            model.problem.disruption_budgets.get(name).copied().unwrap_or(u32::MAX)
        });
        let budgets = budgets.collect();
        let mut run = Self {
            model,
            state: State::new(model),
            story: HashMap::new(),
            preempted: Vec::new(),
            refused: HashMap::new(),
            budgets,
        };
        run.take_over(previous);
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

    /// Replicas by urgency: priority, then what others must be near, then size, then order of input.
    fn by_urgency(&self, mut replicas: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let model = self.model;
        let sizes: Vec<f64> = model.works.iter().map(|w| crate::score::size(model, w)).collect();
        replicas.sort_by(|(ra, wa), (rb, wb)| {
            let (a, b) = (&model.works[*wa as usize], &model.works[*wb as usize]);
            b.priority
                .cmp(&a.priority)
                .then(a.depth.cmp(&b.depth))
                .then(sizes[*wb as usize].total_cmp(&sizes[*wa as usize]))
                .then(ra.cmp(rb))
        });
        replicas
    }

    fn place_all(&mut self) {
        let model = self.model;
        let mut waiting = Vec::new();
        let mut misplaced = Vec::new();
        for (i, w) in model.works.iter().enumerate() {
            for replica in w.first..w.first + w.replicas {
                match self.state.at[replica as usize] {
                    NOWHERE => waiting.push((replica, i as u32)),
                    _ => misplaced.push((replica, i as u32)),
                }
            }
        }
        // What must leave is moved before newcomers take the room.
        for (replica, work) in self.by_urgency(misplaced) {
            self.correct(replica, work);
        }
        for (replica, work) in self.by_urgency(waiting) {
            self.start(replica, work);
        }
    }

    /// Moves a running replica whose place breaks a constraint; leaves it there when no other place will do.
    fn correct(&mut self, replica: u32, work: u32) {
        let model = self.model;
        let node = self.state.at[replica as usize];
        let devices = self.state.devices.get(&replica).cloned().unwrap_or_default();
        self.state.leave(model, replica, work);
        let Some(wrong) = refusal(model, &self.state, work, replica, node) else {
            self.state.enter(model, replica, work, node, devices);
            return;
        };
        let why = match wrong {
            crate::solution::Constraint::Closed => {
                format!("node {} is being drained", self.state.machines[node as usize].name)
            }
            other => format!("where it ran is now {other}"),
        };
        let project = model.works[work as usize].project as usize;
        self.state.enter(model, replica, work, node, devices.clone());
        if held_back(model, &self.state, work, replica, true).is_none() && self.budgets[project] > 0 {
            self.state.leave(model, replica, work);
            if let Placed::On = place(model, &mut self.state, work, replica) {
                self.budgets[project] -= u32::from(self.budgets[project] != u32::MAX);
                self.story.insert(replica, Story::Because(why));
                return;
            }
            self.state.enter(model, replica, work, node, devices);
        }
        self.story.insert(replica, Story::Stuck(why));
    }

    fn start(&mut self, replica: u32, work: u32) {
        let model = self.model;
        match place(model, &mut self.state, work, replica) {
            Placed::On => {
                self.story.entry(replica).or_insert(Story::Placed);
            }
            Placed::Nowhere(refusal) => {
                self.refused.insert(replica, refusal);
            }
        }
    }

    fn improve(&mut self, _budget: &Budget<'_>) -> u64 {
        0
    }

    fn finish(self) -> Solution {
        let Self { model, state, story, preempted, mut refused, .. } = self;
        let names = |work: u32| model.problem.workloads[work as usize].name.clone();
        let mut solution = Solution { objective: objective(model, &state), ..Solution::default() };
        for (i, w) in model.works.iter().enumerate() {
            for replica in w.first..w.first + w.replicas {
                let (workload, ordinal) = (names(i as u32), replica - w.first);
                let node = state.at[replica as usize];
                if node == NOWHERE {
                    let why = refused.remove(&replica).unwrap_or_default();
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
        for &(replica, work, by) in &preempted {
            let node = state.home[replica as usize];
            solution.preemptions.push(Preemption {
                workload: names(work),
                ordinal: replica - model.works[work as usize].first,
                node: state.machines.get(node as usize).map_or_else(String::new, |m| m.name.clone()),
                by: names(by),
            });
        }
        solution.moves = order_moves(model, &state, &story);
        solution.reasons = explain::reasons(model, &state, &story);
        solution
    }
}
