//! Which maintenance tasks to do at least cost, given that at least M must be done.
//!
//! A task may need others done before it, which then are done (and paid) too, and must begin and end within its window; as many
//! as wanted run at once. Whether a task can be in time depends on its predecessors alone, so windows only rule tasks out;
//! what is left is the cheapest closed set of M tasks, found by branch and bound.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// Vertices of the search tree after which the best set found is returned unproven.
const MOST_VERTICES: u64 = 2_000_000;
/// Most tasks in one choice.
const MOST_TASKS: usize = 1_000;

/// A task that could be done. Times are in minutes from a common start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// Unique name.
    pub name: String,
    /// What it costs, not negative.
    pub cost: Decimal,
    /// Tasks that must be finished before it begins.
    pub after: Vec<String>,
    /// When it may begin.
    pub opens: i64,
    /// When it must be finished; nothing means any time.
    pub closes: Option<i64>,
    /// How long it takes, not negative.
    pub minutes: i64,
}

/// The choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Names of the tasks to do and when each begins at the earliest, in the order they begin.
    pub tasks: Vec<(String, i64)>,
    /// What they cost together.
    pub cost: Decimal,
    /// Whether no other choice is cheaper; false when the search was cut short.
    pub proven: bool,
}

/// Why there is no choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Fewer tasks can be done in their windows than must be.
    #[error(
        "at least {wanted} tasks must be done but only {possible} of {all} can be, in their windows and order"
    )]
    TooFew {
        /// M.
        wanted: usize,
        /// Tasks that can be done.
        possible: usize,
        /// Tasks there are.
        all: usize,
    },
    /// A field that cannot be meant.
    #[error("tasks[{task}].{field}: expected {expected}")]
    Value {
        /// Name of the task.
        task: String,
        /// Name of the field.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// Tasks that wait for each other.
    #[error("tasks[{task}].after: waits for itself through others")]
    Circle {
        /// One of them.
        task: String,
    },
}

/// Chooses at least `wanted` tasks at least cost.
///
/// # Errors
/// [`ChoiceError`] when the tasks contradict themselves or too few can be done.
pub fn choose_tasks(tasks: &[Task], wanted: usize) -> Result<Choice, ChoiceError> {
    let before = predecessors(tasks)?;
    let order = in_order(tasks, &before)?;
    let mut ends: Vec<Option<i64>> = vec![None; tasks.len()];
    for &t in &order {
        let ready = before[t].iter().try_fold(tasks[t].opens, |at, p| ends[*p].map(|end| at.max(end)));
        let end = ready.and_then(|at| at.checked_add(tasks[t].minutes));
        ends[t] = end.filter(|end| tasks[t].closes.is_none_or(|closes| *end <= closes));
    }
    // Cheapest first; predecessors of what can be done can be done.
    let mut possible: Vec<usize> = (0..tasks.len()).filter(|t| ends[*t].is_some()).collect();
    if possible.len() < wanted {
        return Err(ChoiceError::TooFew { wanted, possible: possible.len(), all: tasks.len() });
    }
    possible.sort_by(|a, b| tasks[*a].cost.cmp(&tasks[*b].cost).then(a.cmp(b)));
    let mut search = Search { tasks, before: &before, possible, wanted, best: None, vertices: 0 };
    search.branch(0, &mut vec![Mark::Open; tasks.len()], 0, Decimal::ZERO);
    let proven = search.vertices < MOST_VERTICES;
    let (cost, chosen) = search.best.unwrap_or_default();
    // A task that takes no time begins with those it waits for, and is named after them.
    let chosen = order.into_iter().filter(|t| chosen.contains(t));
    let mut tasks: Vec<(String, i64)> =
        chosen.map(|t| (tasks[t].name.clone(), ends[t].map_or(0, |end| end - tasks[t].minutes))).collect();
    tasks.sort_by_key(|(_, begins)| *begins);
    Ok(Choice { tasks, cost, proven })
}

fn predecessors(tasks: &[Task]) -> Result<Vec<Vec<usize>>, ChoiceError> {
    let error = |t: &Task, field, expected| ChoiceError::Value { task: t.name.clone(), field, expected };
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, t) in tasks.iter().enumerate() {
        if i >= MOST_TASKS {
            return Err(error(t, "name", "at most 1000 tasks"));
        }
        if names.insert(&t.name, i).is_some() {
            return Err(error(t, "name", "a name no other task has"));
        }
        if t.cost < Decimal::ZERO || t.cost > Decimal::from(1_000_000_000_000_000_i64) {
            return Err(error(t, "cost", "0 to 1e15"));
        }
        if t.minutes < 0 {
            return Err(error(t, "minutes", "0 or more"));
        }
    }
    let known = |t: &Task| -> Result<Vec<usize>, ChoiceError> {
        let index =
            |n: &String| names.get(n.as_str()).copied().ok_or_else(|| error(t, "after", "names of tasks"));
        t.after.iter().map(index).collect()
    };
    tasks.iter().map(known).collect()
}

/// Tasks such that each comes after those it waits for.
fn in_order(tasks: &[Task], before: &[Vec<usize>]) -> Result<Vec<usize>, ChoiceError> {
    let mut waits: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (t, ps) in before.iter().enumerate() {
        for p in ps {
            after[*p].push(t);
        }
    }
    let mut order: Vec<usize> = (0..tasks.len()).filter(|t| waits[*t] == 0).collect();
    let mut next = 0;
    while let Some(&t) = order.get(next) {
        next += 1;
        for &s in &after[t] {
            waits[s] -= 1;
            if waits[s] == 0 {
                order.push(s);
            }
        }
    }
    match waits.iter().position(|w| *w > 0) {
        Some(t) => Err(ChoiceError::Circle { task: tasks[t].name.clone() }),
        None => Ok(order),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open,
    In,
    Out,
}

struct Search<'a> {
    tasks: &'a [Task],
    before: &'a [Vec<usize>],
    /// Cheapest first.
    possible: Vec<usize>,
    wanted: usize,
    best: Option<(Decimal, Vec<usize>)>,
    vertices: u64,
}

impl Search<'_> {
    /// Decides the tasks from `at` on, cheapest first.
    fn branch(&mut self, at: usize, marks: &mut [Mark], chosen: usize, cost: Decimal) {
        self.vertices += 1;
        if self.vertices >= MOST_VERTICES && self.best.is_some() {
            return;
        }
        if chosen >= self.wanted {
            if self.best.as_ref().is_none_or(|(best, _)| cost < *best) {
                let picked = (0..marks.len()).filter(|t| marks[*t] == Mark::In).collect();
                self.best = Some((cost, picked));
            }
            return;
        }
        // The cheapest tasks still open, as if nothing had to come before them.
        let open = self.possible[at..].iter().filter(|t| marks[**t] == Mark::Open);
        let cheapest: Vec<Decimal> = open.take(self.wanted - chosen).map(|t| self.tasks[*t].cost).collect();
        let bound = cost + cheapest.iter().sum::<Decimal>();
        let enough = cheapest.len() == self.wanted - chosen;
        if !enough || self.best.as_ref().is_some_and(|(best, _)| bound >= *best) {
            return;
        }
        let Some(next) = (at..self.possible.len()).find(|i| marks[self.possible[*i]] == Mark::Open) else {
            return;
        };
        let task = self.possible[next];
        if let Some(closure) = self.closure(task, marks) {
            for t in &closure {
                marks[*t] = Mark::In;
            }
            let sum: Decimal = closure.iter().map(|t| self.tasks[*t].cost).sum();
            self.branch(next + 1, marks, chosen + closure.len(), cost + sum);
            for t in &closure {
                marks[*t] = Mark::Open;
            }
        }
        marks[task] = Mark::Out;
        self.branch(next + 1, marks, chosen, cost);
        marks[task] = Mark::Open;
    }

    /// A task and what must come before it, as far as not in yet; nothing when some of it is out.
    fn closure(&self, task: usize, marks: &[Mark]) -> Option<Vec<usize>> {
        let mut closure = vec![task];
        let mut next = 0;
        while let Some(&t) = closure.get(next) {
            next += 1;
            for &p in &self.before[t] {
                match marks[p] {
                    Mark::Out => return None,
                    Mark::Open if !closure.contains(&p) => closure.push(p),
                    _ => {}
                }
            }
        }
        Some(closure)
    }
}
