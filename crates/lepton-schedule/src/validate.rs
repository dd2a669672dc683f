//! Rejects what cannot be meant, naming the thing and its field, before anything is computed.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::problem::{
    Condition, Exchange, Gpu, Labels, Market, NODE, Peer, Price, Problem, Resources, Selector, Wish,
};

/// Most nodes, offers or workloads in one problem.
pub const MAX_ITEMS: usize = 4_000_000;
/// Most replicas in one problem.
pub const MAX_REPLICAS: u64 = 20_000_000;
/// Largest amount of one resource; sums of all amounts still fit a signed 64-bit number.
pub const MAX_AMOUNT: i64 = 1 << 53;

/// Why a problem cannot be solved as stated. `at` is the path of the field, `workloads[web].requests.cpu` for example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// A number outside its range.
    #[error("{at}: {found} is not allowed, expected {expected}")]
    Value {
        /// Path of the field.
        at: String,
        /// What was found.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A name used twice.
    #[error("{at}: the name {name:?} is used twice")]
    Duplicate {
        /// Path of the field.
        at: String,
        /// The name.
        name: String,
    },
    /// A name that nothing has.
    #[error("{at}: there is no workload {name:?}")]
    UnknownWorkload {
        /// Path of the field.
        at: String,
        /// The name.
        name: String,
    },
    /// A currency without an exchange rate.
    #[error("{at}: no exchange rate from {currency:?} to {base:?}")]
    UnknownCurrency {
        /// Path of the field.
        at: String,
        /// Currency of the price.
        currency: String,
        /// Base currency.
        base: String,
    },
    /// Workloads that must each be near the next, in a circle.
    #[error("workloads[{}].near: must be near each other in a circle: {}", .circle.first().map_or("", String::as_str), .circle.join(" -> "))]
    Circle {
        /// Names along the circle, the first repeated at the end.
        circle: Vec<String>,
    },
    /// More than can be counted.
    #[error("{at}: too much in all, at most {limit}")]
    TooMuch {
        /// Path of the field.
        at: String,
        /// The limit.
        limit: u64,
    },
}

/// Checks everything but currencies, which are checked where they are converted.
pub(crate) fn validate(problem: &Problem) -> Result<(), ProblemError> {
    for (at, len) in [
        ("nodes", problem.nodes.len()),
        ("offers", problem.offers.len()),
        ("workloads", problem.workloads.len()),
    ] {
        if len > MAX_ITEMS {
            return Err(ProblemError::TooMuch { at: at.to_owned(), limit: MAX_ITEMS as u64 });
        }
    }
    unique("nodes", problem.nodes.iter().map(|n| n.name.as_str()))?;
    unique("offers", problem.offers.iter().map(|o| o.name.as_str()))?;
    unique("workloads", problem.workloads.iter().map(|w| w.name.as_str()))?;
    let mut totals = BTreeMap::new();
    for node in &problem.nodes {
        let at = || format!("nodes[{}]", node.name);
        machine(&at, &node.capacity, &node.gpus, &node.labels, node.headroom)?;
    }
    for offer in &problem.offers {
        let at = || format!("offers[{}]", offer.name);
        machine(&at, &offer.capacity, &offer.gpus, &offer.labels, offer.headroom)?;
        if let Market::Spot { interruptions_per_hour: risk } = offer.market {
            number(|| format!("{}.market.interruptions_per_hour", at()), risk, 0.0, 1.0, "0 to 1")?;
        }
    }
    workloads(problem, &mut totals)?;
    circles(problem)?;
    strategy(problem)?;
    for (i, l) in problem.latencies.iter().enumerate() {
        number(|| format!("latencies[{i}].ms"), l.ms, 0.0, 1e9, "0 or more")?;
    }
    Ok(())
}

fn unique<'a>(at: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ProblemError> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        if name.is_empty() {
            return Err(value(format!("{at}[{i}].name"), "an empty name", "a name"));
        }
        if !seen.insert(name) {
            return Err(ProblemError::Duplicate { at: format!("{at}[{i}].name"), name: name.to_owned() });
        }
    }
    Ok(())
}

fn value(at: String, found: impl ToString, expected: &'static str) -> ProblemError {
    ProblemError::Value { at, found: found.to_string(), expected }
}

fn number(
    at: impl FnOnce() -> String,
    x: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), ProblemError> {
    if x.is_finite() && (low..=high).contains(&x) { Ok(()) } else { Err(value(at(), x, expected)) }
}

fn machine(
    at: &dyn Fn() -> String,
    capacity: &Resources,
    gpus: &[Gpu],
    labels: &Labels,
    headroom: f64,
) -> Result<(), ProblemError> {
    amounts(&|| format!("{}.capacity", at()), capacity)?;
    for (i, gpu) in gpus.iter().enumerate() {
        if !(0..=1000).contains(&gpu.milli) {
            return Err(value(format!("{}.gpus[{i}].milli", at()), gpu.milli, "0 to 1000"));
        }
    }
    if labels.contains_key(NODE) {
        return Err(value(
            format!("{}.labels.{NODE}", at()),
            "a label",
            "no label of that name, it is implicit",
        ));
    }
    if !(headroom.is_finite() && (0.0..1.0).contains(&headroom)) {
        return Err(value(format!("{}.headroom", at()), headroom, "0 to below 1"));
    }
    Ok(())
}

fn amounts(at: &dyn Fn() -> String, amounts: &Resources) -> Result<(), ProblemError> {
    for (name, &amount) in amounts {
        if !(0..=MAX_AMOUNT).contains(&amount) {
            return Err(value(format!("{}.{name}", at()), amount, "0 to 2^53"));
        }
    }
    Ok(())
}

fn workloads(problem: &Problem, totals: &mut BTreeMap<String, i64>) -> Result<(), ProblemError> {
    let names: BTreeSet<&str> = problem.workloads.iter().map(|w| w.name.as_str()).collect();
    let mut replicas = 0_u64;
    for w in &problem.workloads {
        let at = |field: &str| format!("workloads[{}].{field}", w.name);
        let peer = |field: String, p: &Peer| {
            if names.contains(p.workload.as_str()) {
                Ok(())
            } else {
                Err(ProblemError::UnknownWorkload { at: at(&field), name: p.workload.clone() })
            }
        };
        replicas += u64::from(w.replicas);
        if replicas > MAX_REPLICAS {
            return Err(ProblemError::TooMuch { at: at("replicas"), limit: MAX_REPLICAS });
        }
        amounts(&|| at("requests"), &w.requests)?;
        for (name, &amount) in &w.requests {
            let total = totals.entry(name.clone()).or_default();
            *total =
                amount.checked_mul(i64::from(w.replicas)).and_then(|all| total.checked_add(all)).ok_or_else(
                    || ProblemError::TooMuch { at: at(&format!("requests.{name}")), limit: i64::MAX as u64 },
                )?;
        }
        if let Some(gpu) = &w.gpu {
            if !(1..=1000).contains(&gpu.milli) {
                return Err(value(at("gpu.milli"), gpu.milli, "1 to 1000"));
            }
            if !(1..=1024).contains(&gpu.devices) {
                return Err(value(at("gpu.devices"), gpu.devices, "1 to 1024"));
            }
        }
        for (i, spread) in w.spread.iter().enumerate() {
            if spread.max_skew == Some(0) {
                return Err(value(at(&format!("spread[{i}].max_skew")), 0, "at least 1"));
            }
            if spread.max_skew.is_none() && spread.min_domains.is_none() {
                return Err(value(at(&format!("spread[{i}]")), "neither", "max_skew or min_domains"));
            }
            if let Some(min) = spread.min_domains.filter(|&m| m > w.replicas && w.replicas > 0) {
                return Err(value(
                    at(&format!("spread[{i}].min_domains")),
                    min,
                    "at most the number of replicas",
                ));
            }
        }
        for (i, p) in w.near.iter().enumerate() {
            peer(format!("near[{i}].workload"), p)?;
        }
        for (i, p) in w.apart.iter().enumerate() {
            peer(format!("apart[{i}].workload"), p)?;
        }
        for (i, wish) in w.prefer.iter().enumerate() {
            match &wish.what {
                Wish::Near(p) | Wish::Apart(p) => peer(format!("prefer[{i}].what.workload"), p)?,
                Wish::Label(s) => selector(&|| at(&format!("prefer[{i}].what")), s)?,
            }
        }
        for (i, s) in w.selectors.iter().enumerate() {
            selector(&|| at(&format!("selectors[{i}]")), s)?;
        }
        for (i, l) in w.latency.iter().enumerate() {
            number(|| at(&format!("latency[{i}].ms")), l.ms, 0.0, 1e9, "0 or more")?;
        }
        for (i, d) in w.data.iter().enumerate() {
            number(|| at(&format!("data[{i}].reads_gib_hour")), d.reads_gib_hour, 0.0, 1e12, "0 or more")?;
            number(|| at(&format!("data[{i}].writes_gib_hour")), d.writes_gib_hour, 0.0, 1e12, "0 or more")?;
        }
    }
    Ok(())
}

fn selector(at: &dyn Fn() -> String, s: &Selector) -> Result<(), ProblemError> {
    match &s.is {
        Condition::In(values) | Condition::NotIn(values) if values.is_empty() => {
            Err(value(format!("{}.is", at()), "no values", "at least one value"))
        }
        _ => Ok(()),
    }
}

/// Finds a circle of `near` (a workload near itself is not one), by depth-first search without recursion.
fn circles(problem: &Problem) -> Result<(), ProblemError> {
    let index: BTreeMap<&str, usize> =
        problem.workloads.iter().enumerate().map(|(i, w)| (w.name.as_str(), i)).collect();
    let next = |w: usize, k: usize| {
        let peer = problem.workloads.get(w)?.near.get(k)?;
        index.get(peer.workload.as_str()).copied()
    };
    let mut done = vec![false; problem.workloads.len()];
    let mut on_path = vec![false; problem.workloads.len()];
    for start in 0..problem.workloads.len() {
        let mut path = vec![(start, 0)];
        on_path[start] = !done[start];
        while let Some(&(w, k)) = path.last() {
            if done[w] {
                path.pop();
                continue;
            }
            let Some(to) = next(w, k) else {
                done[w] = true;
                on_path[w] = false;
                path.pop();
                continue;
            };
            if let Some(top) = path.last_mut() {
                top.1 += 1;
            }
            if to == w || done[to] {
                continue;
            }
            if on_path[to] {
                let mut circle: Vec<String> = path
                    .iter()
                    .skip_while(|(at, _)| *at != to)
                    .chain([&(to, 0)])
                    .filter_map(|(at, _)| problem.workloads.get(*at).map(|w| w.name.clone()))
                    .collect();
                circle.shrink_to_fit();
                return Err(ProblemError::Circle { circle });
            }
            on_path[to] = true;
            path.push((to, 0));
        }
    }
    Ok(())
}

fn strategy(problem: &Problem) -> Result<(), ProblemError> {
    let s = &problem.strategy;
    for (field, x) in [
        ("priority", s.priority),
        ("balance", s.balance),
        ("cost", s.cost),
        ("horizon_hours", s.horizon_hours),
        ("move_cost", s.move_cost),
        ("hysteresis", s.hysteresis),
    ] {
        number(|| format!("strategy.{field}"), x, 0.0, 1e9, "0 to 1e9")?;
    }
    Ok(())
}

/// A price in base currency.
pub(crate) fn in_base(
    exchange: &Exchange,
    price: &Price,
    at: impl Fn() -> String,
) -> Result<f64, ProblemError> {
    if price.amount.is_sign_negative() && !price.amount.is_zero() {
        return Err(value(at(), price.amount, "0 or more"));
    }
    if price.amount.is_zero() {
        return Ok(0.0);
    }
    let rate = if price.currency == exchange.base {
        Decimal::ONE
    } else {
        *exchange.rates.get(&price.currency).ok_or_else(|| ProblemError::UnknownCurrency {
            at: at(),
            currency: price.currency.clone(),
            base: exchange.base.clone(),
        })?
    };
    if rate <= Decimal::ZERO {
        return Err(value(format!("exchange.rates.{}", price.currency), rate, "above 0"));
    }
    let amount = price.amount.checked_mul(rate).and_then(|d| f64::try_from(d).ok());
    amount.filter(|a| *a <= 1e15).ok_or_else(|| value(at(), price.amount, "less than 1e15 in base currency"))
}
