//! The tables there are.

mod catalog;
mod objects;
mod plans;
mod reader;
mod replicas;
mod samples;
mod selector;
mod timeline;

use std::sync::Arc;

pub(crate) use reader::Objects;

use crate::table::Table;

/// Every table of store and lake, and those that describe them.
pub(crate) fn all() -> Vec<Arc<dyn Table>> {
    let mut tables: Vec<Arc<dyn Table>> = vec![
        Arc::new(samples::Samples),
        Arc::new(samples::Latest),
        Arc::new(samples::Series),
        Arc::new(timeline::Timeline),
        Arc::new(catalog::Tables),
        Arc::new(catalog::Columns),
        Arc::new(catalog::Functions),
    ];
    tables.extend(objects::all());
    tables.extend(replicas::all());
    tables.extend(plans::all());
    tables
}
