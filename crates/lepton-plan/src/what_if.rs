//! Questions: what if a zone were lost, what if prices rose. They change a snapshot, never the estate.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lepton_model::{NodePhase, NodeSpec, Object, ReplicaPhase, Selector};
use rust_decimal::Decimal;

use crate::Snapshot;

/// One supposition.
#[derive(Debug, Clone, PartialEq)]
pub enum WhatIf {
    /// `lose-zone=cn-hangzhou-h`, `lose-region=…`, `lose-cloud=…`, or any other label; `lose-node=NAME`.
    Lose {
        /// The label; `node` for a node's name.
        label: String,
        /// Its value.
        value: String,
    },
    /// `price=cloud=aliyun,market=spot*1.3`: prices of the nodes that match, times a factor.
    Price {
        /// Which nodes.
        selector: Selector,
        /// The factor.
        factor: Decimal,
    },
}

/// Why a supposition makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// Not one of the forms.
    #[error(
        "{0:?} is no supposition; write lose-zone=NAME, lose-region=NAME, lose-cloud=NAME, lose-node=NAME or price=SELECTOR*FACTOR, such as price=cloud=aliyun*1.3"
    )]
    Syntax(String),
    /// Nothing in the estate is meant by it.
    #[error("{what}: no node has {label}={value}; there are {known}")]
    Nothing {
        /// The supposition.
        what: String,
        /// The label.
        label: String,
        /// The value.
        value: String,
        /// Values that nodes have.
        known: String,
    },
    /// No price is known of what it selects.
    #[error("{0}: no node with a known price matches")]
    NoPrice(String),
}

impl FromStr for WhatIf {
    type Err = WhatIfError;
    fn from_str(text: &str) -> Result<Self, WhatIfError> {
        let wrong = || WhatIfError::Syntax(text.to_owned());
        let (verb, rest) = text.trim().split_once('=').ok_or_else(wrong)?;
        if verb == "price" {
            let (selector, factor) = rest.rsplit_once('*').ok_or_else(wrong)?;
            let factor: Decimal = factor.trim().parse().map_err(|_| wrong())?;
            let sound = factor >= Decimal::ZERO && factor <= Decimal::ONE_THOUSAND;
            let selector = selector.parse().ok().filter(|_| sound).ok_or_else(wrong)?;
            return Ok(Self::Price { selector, factor });
        }
        let label = verb.strip_prefix("lose-").filter(|label| !label.is_empty()).ok_or_else(wrong)?;
        if rest.trim().is_empty() {
            return Err(wrong());
        }
        Ok(Self::Lose { label: label.to_owned(), value: rest.trim().to_owned() })
    }
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lose { label, value } => write!(f, "lose-{label}={value}"),
            Self::Price { selector, factor } => write!(f, "price={selector}*{factor}"),
        }
    }
}

impl Snapshot {
    /// Changes the snapshot as if this were so.
    ///
    /// # Errors
    /// [`WhatIfError`] when it speaks of nothing that is there.
    pub fn suppose(&mut self, what_if: &WhatIf) -> Result<(), WhatIfError> {
        match what_if {
            WhatIf::Lose { label, value } => self.lose(what_if, label, value),
            WhatIf::Price { selector, factor } => {
                let matching: Vec<_> = self
                    .nodes
                    .iter()
                    .filter(|node| selector.matches(&labels_of(node)))
                    .map(|n| &n.meta.name)
                    .collect();
                let mut changed = 0;
                for name in matching {
                    if let Some(price) = self.prices.get_mut(name) {
                        price.hour = price.hour.saturating_mul(*factor);
                        changed += 1;
                    }
                }
                if changed == 0 { Err(WhatIfError::NoPrice(what_if.to_string())) } else { Ok(()) }
            }
        }
    }

    fn lose(&mut self, what_if: &WhatIf, label: &str, value: &str) -> Result<(), WhatIfError> {
        let has = |node: &Object<NodeSpec>| labels_of(node).get(label).cloned();
        let known: BTreeSet<String> = self.nodes.iter().filter_map(has).collect();
        if !known.contains(value) {
            let known: Vec<_> = known.into_iter().take(20).collect();
            let known = if known.is_empty() { "none with that label".to_owned() } else { known.join(", ") };
            let (label, value) = (label.to_owned(), value.to_owned());
            return Err(WhatIfError::Nothing { what: what_if.to_string(), label, value, known });
        }
        let mut lost = BTreeSet::new();
        for node in self.nodes.iter_mut().filter(|node| has(node).as_deref() == Some(value)) {
            node.status.phase = NodePhase::Lost;
            lost.insert(&node.meta.name);
        }
        for report in self.reports.iter_mut().filter(|report| lost.contains(&report.node)) {
            if !matches!(report.phase, ReplicaPhase::Succeeded | ReplicaPhase::Failed) {
                report.phase = ReplicaPhase::Lost;
            }
        }
        Ok(())
    }
}

/// A node's labels, its name among them.
fn labels_of(node: &Object<NodeSpec>) -> lepton_model::Labels {
    let mut labels = node.meta.labels.clone();
    labels.insert(lepton_schedule::problem::NODE.to_owned(), node.meta.name.to_string());
    labels
}
