//! One decision at a time on an estate of any size: place, remove, place again, in microseconds.
//!
//! The same model, checks and prices as [`crate::solve`], which uses the same index; nothing is re-planned around a decision.

use foldhash::{HashMap, HashMapExt};

use crate::compile::Model;
use crate::place::{explain_refusal, place};
use crate::preempt::preempt;
use crate::problem::Problem;
use crate::solution::{Assignment, Placement, Refusal};
use crate::solve::Run;
use crate::state::{NOWHERE, State};
use crate::validate::ProblemError;

/// An estate that takes decisions.
#[derive(Debug)]
pub struct Online<'p> {
    model: Model<'p>,
    state: State,
    works: HashMap<&'p str, u32>,
    budgets: Vec<u32>,
}

/// Where a replica was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The node.
    pub node: &'a str,
    /// The offer of which the node was launched for this, if it was.
    pub launched: Option<&'a str>,
    /// Devices on the node.
    pub gpus: &'a [u32],
    /// Workload and ordinal of replicas of lower priority that gave way. They run nowhere now.
    pub preempted: Vec<(&'a str, u32)>,
}

/// Why there is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The problem has no such workload, or the workload fewer replicas.
    #[error("there is no replica {ordinal} of workload {workload:?}")]
    Unknown {
        /// Workload asked for.
        workload: String,
        /// Replica asked for.
        ordinal: u32,
    },
    /// It runs already.
    #[error("it runs already")]
    Placed,
    /// Nowhere to run; [`Online::why`] tells why, looking at every node.
    #[error("no node or offer would do")]
    Nowhere,
}

impl<'p> Online<'p> {
    /// Takes over a problem and what runs. Disruption budgets count from here on.
    ///
    /// # Errors
    /// As [`crate::solve`].
    pub fn new(problem: &'p Problem, running: &Assignment) -> Result<Self, ProblemError> {
        let model = Model::new(problem)?;
        let Run { mut state, budgets, .. } = Run::new(&model, running);
        for replica in 0..model.replicas {
            state.unsettle(replica);
        }
        let mut works = HashMap::new();
        for (w, i) in problem.workloads.iter().zip(0..) {
            works.insert(w.name.as_str(), i);
        }
        Ok(Self { model, state, works, budgets })
    }

    /// Places a replica where it adds least to the objective, launching or preempting only when nothing else will do.
    ///
    /// # Errors
    /// See [`PlaceError`]; nothing has changed then.
    pub fn place(&mut self, workload: &str, ordinal: u32) -> Result<Decision<'_>, PlaceError> {
        let (work, replica) = self.replica(workload, ordinal)?;
        if self.state.at[replica as usize] != NOWHERE {
            return Err(PlaceError::Placed);
        }
        let machines = self.state.machines.len();
        let mut preempted = Vec::new();
        let node = match place(&self.model, &mut self.state, work, replica) {
            Some(node) => node,
            None if self.model.problem.strategy.priority > 0.0 => {
                let found = preempt(&self.model, &mut self.state, work, replica, &self.budgets);
                let (node, victims) = found.ok_or(PlaceError::Nowhere)?;
                for (victim, its) in victims {
                    let w = &self.model.works[its as usize];
                    let left = &mut self.budgets[w.project as usize];
                    *left = if *left == u32::MAX { u32::MAX } else { left.saturating_sub(1) };
                    preempted
                        .push((self.model.problem.workloads[its as usize].name.as_str(), victim - w.first));
                }
                node
            }
            None => return Err(PlaceError::Nowhere),
        };
        let machine = &self.state.machines[node as usize];
        let fresh = node as usize >= machines;
        let launched = machine.offer.filter(|_| fresh).map(|o| self.model.offers[o as usize].name.as_str());
        let gpus = self.state.devices.get(&replica).map_or(&[][..], Vec::as_slice);
        Ok(Decision { node: &machine.name, launched, gpus, preempted })
    }

    /// Takes a replica off its node; false when it ran nowhere.
    pub fn remove(&mut self, workload: &str, ordinal: u32) -> bool {
        let Ok((work, replica)) = self.replica(workload, ordinal) else { return false };
        let ran = self.state.at[replica as usize] != NOWHERE;
        self.state.leave(&self.model, replica, work);
        ran
    }

    /// Where a replica runs.
    #[must_use]
    pub fn node_of(&self, workload: &str, ordinal: u32) -> Option<&str> {
        let (_, replica) = self.replica(workload, ordinal).ok()?;
        self.state.machines.get(self.state.at[replica as usize] as usize).map(|m| m.name.as_str())
    }

    /// Why a replica has nowhere to run, by constraint; looks at every node.
    ///
    /// # Errors
    /// [`PlaceError::Unknown`] or [`PlaceError::Placed`].
    pub fn why(&self, workload: &str, ordinal: u32) -> Result<Refusal, PlaceError> {
        let (work, replica) = self.replica(workload, ordinal)?;
        if self.state.at[replica as usize] != NOWHERE {
            return Err(PlaceError::Placed);
        }
        Ok(explain_refusal(&self.model, &self.state, work, replica))
    }

    /// Where everything runs.
    #[must_use]
    pub fn assignment(&self) -> Assignment {
        let mut placements = Vec::new();
        for (w, workload) in self.model.works.iter().zip(&self.model.problem.workloads) {
            for replica in w.first..w.first + w.replicas {
                if let Some(machine) = self.state.machines.get(self.state.at[replica as usize] as usize) {
                    placements.push(Placement {
                        workload: workload.name.clone(),
                        ordinal: replica - w.first,
                        node: machine.name.clone(),
                        gpus: self.state.devices.get(&replica).cloned().unwrap_or_default(),
                    });
                }
            }
        }
        Assignment { placements }
    }

    fn replica(&self, workload: &str, ordinal: u32) -> Result<(u32, u32), PlaceError> {
        let work = self.works.get(workload).copied();
        let known = work.filter(|w| ordinal < self.model.works[*w as usize].replicas);
        match known {
            Some(w) => Ok((w, self.model.works[w as usize].first + ordinal)),
            None => Err(PlaceError::Unknown { workload: workload.to_owned(), ordinal }),
        }
    }
}
