//! Machine reassignment (ROADEF/EURO challenge 2012, set by Google): the whole of an estate made better
//! in a given time, against the finalists' published results. Every answer is judged by [`checker`],
//! which shares no arithmetic with the search.

mod checker;
mod format;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use lepton_schedule::search::{Budget, Instance, improve};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::data;
use crate::report::Report;

/// Where the published instances lie in the data folder.
const FOLDER: &str = "scheduling/machine-reassignment";
/// Time kept back for checking and writing the answer.
const RESERVE: f64 = 0.005;
/// Best costs of the 27 finalists of the final, one row an instance.
const SET_B: [(&str, i64); 8] = [
    ("b_1", 3_339_186_879),
    ("b_2", 1_015_553_800),
    ("b_3", 156_835_787),
    ("b_4", 4_677_823_040),
    ("b_5", 923_092_380),
    ("b_6", 9_525_857_752),
    ("b_8", 1_214_458_817),
    ("b_9", 15_885_486_698),
];
/// The overall winner's own table on the qualification instances.
const SET_A: [(&str, i64); 10] = [
    ("a1_1", 44_306_501),
    ("a1_2", 777_912_030),
    ("a1_3", 583_006_422),
    ("a1_4", 262_125_116),
    ("a1_5", 727_578_310),
    ("a2_1", 329),
    ("a2_2", 746_097_632),
    ("a2_3", 1_210_644_572),
    ("a2_4", 1_680_615_349),
    ("a2_5", 318_358_949),
];

/// Options of `reassignment`.
#[derive(Args)]
pub struct Arguments {
    /// A published set of instances.
    #[arg(long, value_enum, ignore_case = true, conflicts_with_all = ["model", "initial", "out"])]
    set: Option<Set>,
    /// Only these instances of the set, by name.
    #[arg(long, requires = "set", value_delimiter = ',')]
    only: Vec<String>,
    /// A model file, in the challenge's format.
    #[arg(long, requires = "initial", required_unless_present = "set")]
    model: Option<PathBuf>,
    /// The assignment to start from.
    #[arg(long, requires = "model")]
    initial: Option<PathBuf>,
    /// Where to write the assignment found.
    #[arg(long, requires = "model")]
    out: Option<PathBuf>,
    /// Time for each instance, reading and writing included.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Seed of everything drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// What the time is measured by; `cpu` (of all threads, divided by their number) compares fairly on a busy machine.
    #[arg(long, value_enum, default_value_t = Clock::Wall)]
    clock: Clock,
}

#[derive(Clone, Copy, ValueEnum)]
enum Set {
    /// Ten instances of the qualification; scores are against the winner's table.
    #[value(name = "A")]
    A,
    /// Eight instances of the final; scores are against the best finalist of each.
    #[value(name = "B")]
    B,
}

#[derive(Clone, Copy, ValueEnum)]
enum Clock {
    Wall,
    Cpu,
}

/// Seconds since it was made.
struct Stopwatch {
    clock: Clock,
    threads: f64,
    wall: Instant,
    cpu: f64,
}

impl Stopwatch {
    fn start(arguments: &Arguments) -> Self {
        let threads = f64::from(arguments.threads);
        Self { clock: arguments.clock, threads, wall: Instant::now(), cpu: cpu_seconds() }
    }

    fn seconds(&self) -> f64 {
        match self.clock {
            Clock::Wall => self.wall.elapsed().as_secs_f64(),
            Clock::Cpu => (cpu_seconds() - self.cpu) / self.threads,
        }
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// One instance, solved and checked.
struct Solved {
    name: String,
    initial: i128,
    cost: i128,
    bound: i64,
    steps: u64,
    seconds: f64,
    assignment: Vec<u32>,
}

/// Runs the benchmark.
pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let references: &[(&str, i64)] = match (arguments.set, &arguments.model, &arguments.initial) {
        (Some(Set::A), ..) => &SET_A,
        (Some(Set::B), ..) => &SET_B,
        (None, Some(model), Some(initial)) => return run_one(arguments, model, initial),
        (None, ..) => bail!("give --set, or --model and --initial"),
    };
    if let Some(name) = arguments.only.iter().find(|name| references.iter().all(|(n, _)| n != name)) {
        bail!("--only: the set has no instance {name}");
    }
    let mut table = heading();
    let (mut rows, mut sum, mut reached) = (Vec::new(), 0.0, 0);
    for &(name, reference) in references {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|n| n == name) {
            continue;
        }
        let model = data::path(&format!("{FOLDER}/model_{name}.txt"))?;
        let initial = data::path(&format!("{FOLDER}/assignment_{name}.txt"))?;
        let solved = solve(arguments, name, &model, &initial)?;
        let score = 100.0 * (solved.cost - i128::from(reference)) as f64 / solved.initial as f64;
        sum += score;
        reached += usize::from(solved.cost <= i128::from(reference));
        let line = solved.line(Some((reference, score)))?;
        eprint!("{line}");
        table += &line;
        rows.push(solved.object(Some(score)));
    }
    writeln!(table, "sum of scores {sum:.5}, at or below the reference on {reached} of {}", rows.len())?;
    let metrics = json!({ "score_sum": sum, "at_or_below": reached, "instances": rows });
    Ok(Report { bench: "reassignment", table, metrics })
}

fn run_one(arguments: &Arguments, model: &Path, initial: &Path) -> anyhow::Result<Report> {
    let name = model.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let solved = solve(arguments, &name, model, initial)?;
    if let Some(out) = &arguments.out {
        let words: Vec<String> = solved.assignment.iter().map(u32::to_string).collect();
        std::fs::write(out, words.join(" ") + "\n").with_context(|| format!("writing {}", out.display()))?;
    }
    let table = heading() + &solved.line(None)?;
    let metrics = json!({ "score_sum": Value::Null, "instances": [solved.object(None)] });
    Ok(Report { bench: "reassignment", table, metrics })
}

fn solve(arguments: &Arguments, name: &str, model: &Path, initial: &Path) -> anyhow::Result<Solved> {
    let watch = Stopwatch::start(arguments);
    let in_file = |path: &Path| format!("{}", path.display());
    let mut input = format::read_model(&data::text(model)?).with_context(|| in_file(model))?;
    let start = format::read_assignment(&data::text(initial)?, input.processes.len(), input.machines.len())
        .with_context(|| in_file(initial))?;
    for (process, &machine) in input.processes.iter_mut().zip(&start) {
        process.home = Some(machine);
    }
    let instance = Instance::new(&input).with_context(|| in_file(model))?;
    let before = checker::check(&input, &start, &start).with_context(|| in_file(initial))?;
    let allowed = f64::from(arguments.seconds) * (1.0 - RESERVE);
    let spent = || watch.seconds() / allowed;
    let budget = Budget { steps: u64::MAX, threads: usize::from(arguments.threads), spent: &spent };
    let improved = improve(&instance, &start, budget, arguments.seed).with_context(|| in_file(initial))?;
    let cost = checker::check(&input, &start, &improved.assignment)
        .with_context(|| format!("{name}: the search broke a rule"))?;
    if cost != i128::from(improved.cost.total()) {
        bail!("{name}: the search says {}, the checker {cost}", improved.cost.total());
    }
    Ok(Solved {
        name: name.to_owned(),
        initial: before,
        cost,
        bound: improved.bound,
        steps: improved.steps,
        seconds: watch.seconds(),
        assignment: improved.assignment,
    })
}

fn heading() -> String {
    format!(
        "{:<10} {:>13} {:>13} {:>13} {:>13} {:>10} {:>9} {:>8} {:>7}\n",
        "instance", "initial", "cost", "reference", "bound", "score", "gap %", "Msteps", "seconds"
    )
}

impl Solved {
    /// How far above the bound the cost is, in percent of the cost.
    fn gap(&self) -> f64 {
        100.0 * (self.cost - i128::from(self.bound)) as f64 / (self.cost.max(1)) as f64
    }

    fn line(&self, against: Option<(i64, f64)>) -> anyhow::Result<String> {
        let (reference, score) = match against {
            Some((reference, score)) => (reference.to_string(), format!("{score:.5}")),
            None => ("-".into(), "-".into()),
        };
        let mut line = String::new();
        writeln!(
            line,
            "{:<10} {:>13} {:>13} {reference:>13} {:>13} {score:>10} {:>9.4} {:>8} {:>7.2}",
            self.name,
            self.initial,
            self.cost,
            self.bound,
            self.gap(),
            self.steps / 1_000_000,
            self.seconds
        )?;
        Ok(line)
    }

    fn object(&self, score: Option<f64>) -> Value {
        json!({
            "name": self.name,
            "cost": self.cost as i64,
            "bound": self.bound,
            "initial": self.initial as i64,
            "score": score,
            "seconds": self.seconds,
        })
    }
}
