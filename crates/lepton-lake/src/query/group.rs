//! From the points of many series to the series of an answer.

use std::collections::BTreeMap;

use crate::error::LakeError;
use crate::labels::{Labels, METRIC_LABEL};
use crate::query::buckets::{Buckets, Grid};
use crate::query::{Aggregate, RangeQuery, quantile};

/// Collects the series of an answer within a budget of bytes.
pub(crate) struct Groups<'a> {
    aggregate: Option<&'a (Aggregate, Vec<String>)>,
    grid: Grid,
    plain: Vec<(Labels, Vec<(i64, f64)>)>,
    groups: BTreeMap<Labels, Vec<Accumulator>>,
    budget: u64,
    used: u64,
}

/// One point of a group.
#[derive(Debug, Clone, Default)]
struct Accumulator {
    count: u64,
    /// Sum, least or greatest, as the aggregate asks.
    value: f64,
    all: Vec<f64>,
}

impl<'a> Groups<'a> {
    pub fn new(query: &'a RangeQuery, grid: &Grid, budget: u64) -> Self {
        Self {
            aggregate: query.aggregate.as_ref(),
            grid: *grid,
            plain: Vec::new(),
            groups: BTreeMap::new(),
            budget,
            used: 0,
        }
    }

    pub fn add(&mut self, labels: Labels, series: &Buckets) -> Result<(), LakeError> {
        let Some((aggregate, by)) = self.aggregate else {
            let points: Vec<_> = series.values().map(|(at, value)| (self.grid.point(at), value)).collect();
            self.spend(points.len() * 16 + labels.key().len())?;
            if !points.is_empty() {
                self.plain.push((labels, points));
            }
            return Ok(());
        };
        let mut points = series.values().peekable();
        if points.peek().is_none() {
            return Ok(());
        }
        let pairs: Vec<_> = by
            .iter()
            .filter(|name| *name != METRIC_LABEL)
            .filter_map(|name| Some((name.as_str(), labels.get(name)?)))
            .collect();
        let metric = if by.iter().any(|name| name == METRIC_LABEL) { labels.metric() } else { "" };
        let group = Labels::group(metric, &pairs);
        if !self.groups.contains_key(&group) {
            self.spend(self.grid.points * size_of::<Accumulator>())?;
        }
        if matches!(aggregate, Aggregate::Quantile(_)) {
            self.spend(self.grid.points * size_of::<f64>())?;
        }
        let points_of = self.grid.points;
        let group = self.groups.entry(group).or_insert_with(|| vec![Accumulator::default(); points_of]);
        for (at, value) in points {
            if let Some(point) = group.get_mut(at) {
                point.add(*aggregate, value);
            }
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), LakeError> {
        self.used += bytes as u64;
        if self.used > self.budget {
            return Err(LakeError::OverBudget { limit: self.budget, unit: "bytes" });
        }
        Ok(())
    }

    pub fn finish(self) -> Vec<(Labels, Vec<(i64, f64)>)> {
        let Some((aggregate, _)) = self.aggregate else { return self.plain };
        let grid = self.grid;
        let points = |group: Vec<Accumulator>| {
            let values = group.into_iter().enumerate();
            values.filter_map(|(at, point)| Some((grid.point(at), point.finish(*aggregate)?))).collect()
        };
        self.groups.into_iter().map(|(labels, group)| (labels, points(group))).collect()
    }
}

impl Accumulator {
    fn add(&mut self, aggregate: Aggregate, value: f64) {
        self.value = match aggregate {
            Aggregate::Quantile(_) => {
                self.all.push(value);
                0.0
            }
            _ if self.count == 0 => value,
            Aggregate::Min => self.value.min(value),
            Aggregate::Max => self.value.max(value),
            Aggregate::Sum | Aggregate::Avg | Aggregate::Count => self.value + value,
        };
        self.count += 1;
    }

    fn finish(mut self, aggregate: Aggregate) -> Option<f64> {
        let count = Some(self.count as f64).filter(|count| *count > 0.0)?;
        match aggregate {
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => Some(self.value),
            Aggregate::Avg => Some(self.value / count),
            Aggregate::Count => Some(count),
            Aggregate::Quantile(phi) => quantile(&mut self.all, phi),
        }
    }
}
