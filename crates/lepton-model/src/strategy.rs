//! Strategies: what "better" means to the scheduler, as people write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Largest weight.
const MAX_WEIGHT: f64 = 1_000.0;

/// `priority`, `balance`, `cost`, or weights of them such as `cost=1,balance=0.5`. A weight left out is 0, so that the
/// strategies combine as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strategy {
    /// Above 0, important work may take the place of less important work.
    pub priority: f64,
    /// Weight of evenly used nodes.
    pub balance: f64,
    /// Weight of what machines cost.
    pub cost: f64,
    /// Whether what runs well may be moved for a better whole. Only plain `priority` moves nothing.
    pub moves: bool,
}

/// A text that is no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a strategy; write priority, balance, cost, or weights from 0 to 1000 such as cost=1,balance=0.5"
)]
pub struct StrategyError(String);

impl Strategy {
    /// Important work first; what runs stays where it is.
    pub const PRIORITY: Self = Self { priority: 1.0, balance: 1.0, cost: 1.0, moves: false };
    /// Even load; price decides between equals.
    pub const BALANCE: Self = Self { priority: 1.0, balance: 10.0, cost: 0.1, moves: true };
    /// Fewest and cheapest machines; load may be uneven.
    pub const COST: Self = Self { priority: 1.0, balance: 0.0, cost: 1.0, moves: true };
    const NAMED: [(&'static str, Self); 3] =
        [("priority", Self::PRIORITY), ("balance", Self::BALANCE), ("cost", Self::COST)];
}

impl FromStr for Strategy {
    type Err = StrategyError;
    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let wrong = || StrategyError(text.to_owned());
        if let Some((_, named)) = Self::NAMED.into_iter().find(|(name, _)| *name == text.trim()) {
            return Ok(named);
        }
        let (mut strategy, mut seen) =
            (Self { priority: 0.0, balance: 0.0, cost: 0.0, moves: true }, Vec::new());
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').ok_or_else(wrong)?;
            let (name, weight) = (name.trim(), weight.trim().parse::<f64>().map_err(|_| wrong())?);
            if !(0.0..=MAX_WEIGHT).contains(&weight) || seen.contains(&name) {
                return Err(wrong());
            }
            *match name {
                "priority" => &mut strategy.priority,
                "balance" => &mut strategy.balance,
                "cost" => &mut strategy.cost,
                _ => return Err(wrong()),
            } = weight;
            seen.push(name);
        }
        Ok(strategy)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = Self::NAMED.into_iter().find(|(_, named)| named == self) {
            return f.write_str(name);
        }
        write!(f, "priority={},balance={},cost={}", self.priority, self.balance, self.cost)
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

crate::object::string_schema!(
    Strategy,
    "priority, balance, cost, or weights of them",
    "cost=1,balance=0.5",
    pattern = "^(priority|balance|cost)(=[0-9]{1,3})?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_read_and_print() {
        let check = |text: &str, expect: &str| {
            let printed = text.parse::<Strategy>().map_or_else(|_| "error".into(), |s| s.to_string());
            assert_eq!(printed, expect, "{text:?}");
        };
        check("cost", "cost");
        check("balance", "balance");
        check("priority", "priority");
        check("cost=1,balance=0.5", "priority=0,balance=0.5,cost=1");
        check("priority=1,cost=1", "cost");
        for wrong in
            ["", "cheap", "cost=-1", "cost=NaN", "cost=inf", "cost=1,cost=2", "cost=", "cost=1,speed=2"]
        {
            check(wrong, "error");
        }
    }
}
