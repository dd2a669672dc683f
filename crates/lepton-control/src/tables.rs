//! Tables of SQL that live in the server's memory.

use std::sync::Arc;

use lepton_sql::{Column, ColumnType, Provided, SqlScope, SqlValue};

use crate::agents::Agents;
use crate::reconcile::Reconcilers;

fn text(text: impl Into<String>) -> SqlValue {
    SqlValue::Text(text.into())
}

fn count(count: u64) -> SqlValue {
    SqlValue::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// `reconcilers`
pub(crate) fn reconcilers(reconcilers: &Arc<Reconcilers>) -> Provided {
    let source = Arc::clone(reconcilers);
    let rows = move |_: &SqlScope| {
        let row = |report: lepton_api::v1::ReconcilerReport| {
            vec![
                text(report.name),
                text(format!("{:?}", report.state).to_lowercase()),
                count(report.runs),
                count(report.failures),
                report.last_run.map_or(SqlValue::Null, |at| text(at.to_string())),
                report.last_duration_ms.map_or(SqlValue::Null, SqlValue::Real),
                text(report.last_message),
            ]
        };
        source.reports().into_iter().map(row).collect()
    };
    Provided {
        name: "reconcilers",
        description: "the server's reconcilers: last run, duration, error",
        columns: vec![
            Column::new("name", ColumnType::Text, "its name"),
            Column::new("state", ColumnType::Text, "waiting, ok, failing or standby"),
            Column::new("runs", ColumnType::Integer, "runs since the server started"),
            Column::new("failures", ColumnType::Integer, "failed runs since the server started"),
            Column::new("last_run_at", ColumnType::Text, "start of the last run"),
            Column::new("last_duration_ms", ColumnType::Real, "length of the last run in milliseconds"),
            Column::new("message", ColumnType::Text, "what it did last, or why it failed"),
        ],
        rows: Arc::new(rows),
    }
}

/// `agents`: of the estate, like nodes.
pub(crate) fn agents(agents: &Arc<Agents>) -> Provided {
    let source = Arc::clone(agents);
    let rows = move |scope: &SqlScope| {
        if scope.project().is_some() {
            return Vec::new();
        }
        let row =
            |(name, silent, spoken, generation): (lepton_model::Name, std::time::Duration, bool, u64)| {
                let silent = SqlValue::Real(silent.as_secs_f64());
                vec![text(name.as_str()), silent, SqlValue::Integer(i64::from(spoken)), count(generation)]
            };
        source.list().into_iter().map(row).collect()
    };
    Provided {
        name: "agents",
        description: "agents as this server hears them",
        columns: vec![
            Column::new("node", ColumnType::Text, "its node"),
            Column::new("silent_s", ColumnType::Real, "seconds since it was last heard"),
            Column::new("reported", ColumnType::Integer, "1 when it has reported since the server started"),
            Column::new("generation", ColumnType::Integer, "generation of the assignment it is told"),
        ],
        rows: Arc::new(rows),
    }
}
