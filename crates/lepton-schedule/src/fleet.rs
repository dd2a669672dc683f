//! The cheapest mix of machines to rent for a set of pods, and a price that no mix can be below.
//!
//! Column generation over machine patterns (Gilmore and Gomory, "A linear programming approach to the cutting-stock problem",
//! 1961): a master program chooses how many machines are filled in which way, its prices for pods say which new way of filling
//! which offer would help, until none does. Whole machines are then taken from its solution a slice at a time and the program
//! solved again for the rest ("diving"). The bound is Farley's ("A note on bounding a class of linear programming problems",
//! 1990): prices at which no machine of any offer could hold more worth of pods than it costs.
//!
//! Pure and deterministic: limits are counts, never time.

mod bound;
mod fill;
mod master;
mod pattern;
mod pool;
mod relax;
mod round;

use crate::fleet::master::Column;
use crate::fleet::pattern::{Kit, Pods};
use crate::fleet::pool::Pool;

/// A machine type. As many as wanted can be rented.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetOffer {
    /// Amounts by resource, in the order and units of the pods'. Not negative.
    pub amounts: Vec<i64>,
    /// Number of devices.
    pub gpus: u32,
    /// Model of the devices.
    pub model: String,
    /// Price of an hour, above 0.
    pub price: f64,
}

/// Pods that ask for the same.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetPods {
    /// Amounts by resource. Not negative.
    pub amounts: Vec<i64>,
    /// Number of devices; more than one only whole.
    pub gpus: u32,
    /// Thousandths of each device, up to 1000.
    pub milli: i64,
    /// Models that will do; empty means any.
    pub models: Vec<String>,
    /// How many there are.
    pub count: u32,
}

/// Limits of effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetLimits {
    /// Most rounds of looking for new patterns.
    pub rounds: u32,
}

impl Default for FleetLimits {
    fn default() -> Self {
        Self { rounds: 400 }
    }
}

/// Machines of one offer that are filled alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Rented {
    /// Index of the offer.
    pub offer: usize,
    /// How many.
    pub count: u32,
    /// Index of pods and how many of them are on each machine.
    pub pods: Vec<(usize, u32)>,
}

/// A fleet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fleet {
    /// What to rent and what runs there.
    pub rented: Vec<Rented>,
    /// Price of an hour.
    pub price: f64,
    /// Pods that no offer could hold, by index.
    pub unplaceable: Vec<usize>,
    /// Prices of pods that the master program ended with: what one more of each costs about.
    pub pod_prices: Vec<f64>,
}

/// Why there is no fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// A number outside its range.
    #[error("{list}[{index}].{field}: expected {expected}")]
    Value {
        /// `offers` or `pods`.
        list: &'static str,
        /// Index in the list.
        index: usize,
        /// Name of the field.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
}

/// Finds a cheap fleet for pods.
///
/// # Errors
/// [`FleetError`] when a number is outside its range.
pub fn cheapest_fleet(
    offers: &[FleetOffer],
    pods: &[FleetPods],
    limits: FleetLimits,
) -> Result<Fleet, FleetError> {
    check(offers, pods)?;
    let kit = Kit::new(offers, pods);
    let demand: Vec<u32> = kit.pods.iter().map(|p| p.count).collect();
    let mut fleet = Fleet { unplaceable: kit.unplaceable.clone(), ..Fleet::default() };
    fleet.pod_prices = vec![0.0; pods.len()];
    if demand.is_empty() {
        return Ok(fleet);
    }
    let mut pool = Pool::new(&kit, &demand);
    // Any number of each pod on one machine: prices then do not depend on how rare a pod is.
    let any: Vec<u32> = kit.pods.iter().map(Pods::at_most).collect();
    pool.generate(&kit, &any, limits.rounds);
    for (p, price) in kit.pods.iter().zip(pool.master.prices()) {
        fleet.pod_prices[p.index] = *price;
    }
    let machines = round::machines(&kit, pool, &demand);
    for (pattern, count) in machines {
        let offer = &kit.offers[pattern.offer];
        fleet.price += offer.price * f64::from(count);
        let pods = pattern.pods.iter().map(|(i, n)| (kit.pods[*i].index, *n)).collect();
        fleet.rented.push(Rented { offer: offer.index, count, pods });
    }
    Ok(fleet)
}

/// A price no fleet for these pods can be below, proven. Starts from a fleet of [`cheapest_fleet`] (any other will do, and take longer).
/// Pods that no offer could hold are left out.
///
/// # Errors
/// [`FleetError`] when a number is outside its range.
pub fn fleet_bound(offers: &[FleetOffer], pods: &[FleetPods], fleet: &Fleet) -> Result<f64, FleetError> {
    check(offers, pods)?;
    let kit = Kit::new(offers, pods);
    let row = |pod: usize| kit.pods.iter().position(|p| p.index == pod);
    let seeds = fleet.rented.iter().filter_map(|r| {
        let pods = r.pods.iter().filter_map(|(i, n)| Some((row(*i)?, f64::from(*n)))).collect();
        Some(Column { cost: offers.get(r.offer)?.price, pods })
    });
    Ok(bound::bound(&kit, seeds))
}

fn check(offers: &[FleetOffer], pods: &[FleetPods]) -> Result<(), FleetError> {
    let width = offers.first().map_or(0, |o| o.amounts.len());
    let amounts = |list, index, amounts: &[i64]| {
        let sane = amounts.len() == width && amounts.iter().all(|a| (0..=1 << 53).contains(a));
        let expected = "one amount for each resource, 0 to 2^53";
        if sane { Ok(()) } else { Err(FleetError::Value { list, index, field: "amounts", expected }) }
    };
    for (index, o) in offers.iter().enumerate() {
        amounts("offers", index, &o.amounts)?;
        if !(o.price.is_finite() && o.price > 0.0) {
            return Err(FleetError::Value { list: "offers", index, field: "price", expected: "above 0" });
        }
        if o.gpus > 64 {
            return Err(FleetError::Value { list: "offers", index, field: "gpus", expected: "at most 64" });
        }
    }
    for (index, p) in pods.iter().enumerate() {
        amounts("pods", index, &p.amounts)?;
        let whole = p.gpus > 1 && p.milli != 1000;
        if p.gpus > 0 && (!(1..=1000).contains(&p.milli) || whole) {
            let expected = "1 to 1000, and 1000 for more than one device";
            return Err(FleetError::Value { list: "pods", index, field: "milli", expected });
        }
    }
    Ok(())
}
