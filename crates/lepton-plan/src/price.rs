//! What nodes cost.

use std::collections::BTreeSet;

use lepton_model::{Currency, Exchange, Money, Name, NodePhase};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Snapshot;

/// Price of a node, in the snapshot's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePrice {
    /// Of one hour.
    pub hour: Decimal,
    /// Whether giving the node back saves it: rented from a cloud, not one's own.
    pub rented: bool,
    /// Where the price is from.
    pub source: String,
}

impl Snapshot {
    /// The currency of all its prices.
    pub fn currency(&self) -> Currency {
        self.currency.unwrap_or(Exchange::default().base)
    }

    /// What the rented nodes among `used` cost an hour.
    pub(crate) fn cost_of(&self, used: &BTreeSet<&Name>) -> Money {
        let rented = self.prices.iter().filter(|(node, price)| price.rented && used.contains(node));
        let sum = rented.fold(Decimal::ZERO, |sum, (_, price)| sum.saturating_add(price.hour));
        Money::new(sum, self.currency())
    }

    /// What the rented nodes with anything assigned cost an hour.
    pub fn cost_in_use(&self) -> Money {
        let used =
            self.assignments.iter().filter(|a| !a.spec.replicas.is_empty() && self.is_ready(&a.meta.name));
        self.cost_of(&used.map(|a| &a.meta.name).collect())
    }

    /// How many ready nodes have no known price.
    pub(crate) fn unpriced(&self) -> usize {
        let ready = self.nodes.iter().filter(|node| node.status.phase == NodePhase::Ready);
        ready.filter(|node| !self.prices.contains_key(&node.meta.name)).count()
    }

    /// Rented, ready nodes that are not among `used`.
    pub(crate) fn idle(&self, used: &BTreeSet<&Name>) -> Vec<Name> {
        let rented = |name: &Name| self.prices.get(name).is_some_and(|price| price.rented);
        let ready = self.nodes.iter().filter(|node| node.status.phase == NodePhase::Ready);
        let idle = ready.map(|node| &node.meta.name).filter(|name| rented(name) && !used.contains(name));
        idle.cloned().collect()
    }
}
