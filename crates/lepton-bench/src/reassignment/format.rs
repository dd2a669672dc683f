//! Reads the competition's two text formats: streams of whole numbers separated by white space.

use lepton_schedule::search::{Balance, InstanceInput, Machine, Process, Resource, Service, Weights};
use thiserror::Error;

/// Counts above this are refused before anything is allocated for them.
const MAX_COUNT: i64 = 10_000_000;

/// Why a file cannot be read. Tokens are counted from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// The file ends too early.
    #[error("ends after {tokens} numbers, expected {expected}")]
    Ends {
        /// Numbers read.
        tokens: usize,
        /// What should follow.
        expected: String,
    },
    /// A token is not a number.
    #[error("number {token} is {found:?}, expected {expected}")]
    NotANumber {
        /// Which token.
        token: usize,
        /// Its first characters.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A number is outside its range.
    #[error("number {token} is {found}, expected {expected} from {low} to {high}")]
    Range {
        /// Which token.
        token: usize,
        /// The number.
        found: i64,
        /// What it is.
        expected: String,
        /// Least allowed.
        low: i64,
        /// Most allowed.
        high: i64,
    },
    /// There is more after the end.
    #[error("more numbers follow after {tokens}, expected the end of the file")]
    Trailing {
        /// Numbers a whole file has.
        tokens: usize,
    },
}

struct Tokens<'a> {
    words: std::str::SplitAsciiWhitespace<'a>,
    read: usize,
}

impl Tokens<'_> {
    fn number(&mut self, low: i64, high: i64, expected: impl Fn() -> String) -> Result<i64, FormatError> {
        let Some(word) = self.words.next() else {
            return Err(FormatError::Ends { tokens: self.read, expected: expected() });
        };
        self.read += 1;
        let found: i64 = word.parse().map_err(|_| FormatError::NotANumber {
            token: self.read,
            found: word.chars().take(20).collect(),
            expected: expected(),
        })?;
        if !(low..=high).contains(&found) {
            let token = self.read;
            return Err(FormatError::Range { token, found, expected: expected(), low, high });
        }
        Ok(found)
    }

    fn index(&mut self, limit: usize, expected: impl Fn() -> String) -> Result<u32, FormatError> {
        // `limit` is a count this reader accepted, so it is at most MAX_COUNT.
        Ok(self.number(0, limit as i64 - 1, expected)? as u32)
    }

    fn count(&mut self, expected: impl Fn() -> String) -> Result<usize, FormatError> {
        Ok(self.number(0, MAX_COUNT, expected)? as usize)
    }

    fn row(&mut self, length: usize, expected: impl Fn() -> String) -> Result<Vec<i64>, FormatError> {
        (0..length).map(|r| self.number(0, i64::from(u32::MAX), || format!("{}[{r}]", expected()))).collect()
    }

    fn end(mut self) -> Result<(), FormatError> {
        match self.words.next() {
            Some(_) => Err(FormatError::Trailing { tokens: self.read }),
            None => Ok(()),
        }
    }
}

/// Reads a model file. Homes are left empty: [`read_assignment`] has them.
pub fn read_model(text: &str) -> Result<InstanceInput, FormatError> {
    let mut tokens = Tokens { words: text.split_ascii_whitespace(), read: 0 };
    let amount = i64::from(u32::MAX);
    let mut input = InstanceInput::default();
    let resources = tokens.count(|| "number of resources".into())?;
    for r in 0..resources {
        let transient = tokens.number(0, 1, || format!("resource {r} transient flag"))? == 1;
        let weight = tokens.number(0, amount, || format!("resource {r} weight"))?;
        input.resources.push(Resource { transient, weight });
    }
    let machines = tokens.count(|| "number of machines".into())?;
    for m in 0..machines {
        let neighbourhood = tokens.index(machines, || format!("machine {m} neighbourhood"))?;
        let location = tokens.index(machines, || format!("machine {m} location"))?;
        let capacity = tokens.row(resources, || format!("machine {m} capacity"))?;
        let safety = tokens.row(resources, || format!("machine {m} safety capacity"))?;
        for to in 0..machines {
            let cost = tokens.number(0, amount, || format!("machine {m} move cost to {to}"))?;
            input.machine_move_cost.push(cost as u32);
        }
        input.machines.push(Machine { neighbourhood, location, capacity, safety, price: 0 });
    }
    let services = tokens.count(|| "number of services".into())?;
    for s in 0..services {
        let spread_min = tokens.number(0, MAX_COUNT, || format!("service {s} least spread"))? as u32;
        let dependencies = tokens.count(|| format!("service {s} number of dependencies"))?;
        let dependencies = (0..dependencies)
            .map(|d| tokens.index(services, || format!("service {s} dependency {d}")))
            .collect::<Result<_, _>>()?;
        input.services.push(Service { spread_min, dependencies });
    }
    let processes = tokens.count(|| "number of processes".into())?;
    for p in 0..processes {
        let service = tokens.index(services, || format!("process {p} service"))?;
        let requirement = tokens.row(resources, || format!("process {p} requirement"))?;
        let move_cost = tokens.number(0, amount, || format!("process {p} move cost"))?;
        input.processes.push(Process { service, requirement, move_cost, home: None, eligibility: None });
    }
    let balances = tokens.count(|| "number of balance costs".into())?;
    for b in 0..balances {
        let first = tokens.index(resources, || format!("balance {b} first resource"))?;
        let second = tokens.index(resources, || format!("balance {b} second resource"))?;
        let target = tokens.number(0, amount, || format!("balance {b} target"))?;
        let weight = tokens.number(0, amount, || format!("balance {b} weight"))?;
        input.balances.push(Balance { first, second, target, weight });
    }
    input.weights = Weights {
        process_move: tokens.number(0, amount, || "weight of process moves".into())?,
        service_move: tokens.number(0, amount, || "weight of service moves".into())?,
        machine_move: tokens.number(0, amount, || "weight of machine moves".into())?,
    };
    tokens.end()?;
    Ok(input)
}

/// Reads an assignment of `processes` processes to `machines` machines.
pub fn read_assignment(text: &str, processes: usize, machines: usize) -> Result<Vec<u32>, FormatError> {
    let mut tokens = Tokens { words: text.split_ascii_whitespace(), read: 0 };
    let assignment = (0..processes)
        .map(|p| tokens.index(machines, || format!("machine of process {p}")))
        .collect::<Result<_, _>>()?;
    tokens.end()?;
    Ok(assignment)
}
