//! Tables of SQL that live in the server's memory.

use std::sync::Arc;

use lepton_model::Offer;
use lepton_sql::{Asked, Column, ColumnType, Provided, ProvidedRows, SqlValue};

use crate::agents::Agents;
use crate::offers::Offers;
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
    let rows = move |_: &Asked<'_>| -> ProvidedRows {
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
        Box::new(source.reports().into_iter().map(row))
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
        narrows: Vec::new(),
        rows: Arc::new(rows),
    }
}

/// `agents`: of the estate, like nodes.
pub(crate) fn agents(agents: &Arc<Agents>) -> Provided {
    let source = Arc::clone(agents);
    let rows = move |asked: &Asked<'_>| -> ProvidedRows {
        if asked.scope.project().is_some() {
            return Box::new(std::iter::empty());
        }
        let row =
            |(name, silent, spoken, generation): (lepton_model::Name, std::time::Duration, bool, u64)| {
                let silent = SqlValue::Real(silent.as_secs_f64());
                vec![text(name.as_str()), silent, SqlValue::Integer(i64::from(spoken)), count(generation)]
            };
        Box::new(source.list().into_iter().map(row))
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
        narrows: Vec::new(),
        rows: Arc::new(rows),
    }
}

/// `offers`: public knowledge, seen by all. Nodes join it by their labels `cloud`, `region` and `instance_type`.
pub(crate) fn offers(offers: &Arc<Offers>) -> Provided {
    let source = Arc::clone(offers);
    let rows = move |asked: &Asked<'_>| -> ProvidedRows {
        let catalog = source.catalog();
        let of = |column| asked.text(column);
        let range = catalog.range(of("cloud"), of("region"), of("instance_type"));
        Box::new(range.filter_map(move |at| catalog.offers().get(at).map(offer)))
    };
    Provided {
        name: "offers",
        description: "machines that can be rented, as prices were on a day",
        columns: vec![
            Column::new("cloud", ColumnType::Text, "the cloud: aliyun, aws, …"),
            Column::new("region", ColumnType::Text, "its region"),
            Column::new("zone", ColumnType::Text, "its zone, where the price is of one zone"),
            Column::new("instance_type", ColumnType::Text, "the cloud's name for the machine"),
            Column::new("arch", ColumnType::Text, "x86_64, arm64, …"),
            Column::new("cpu", ColumnType::Real, "cores"),
            Column::new("memory_bytes", ColumnType::Integer, "memory in bytes"),
            Column::new("gpus", ColumnType::Integer, "whole GPUs"),
            Column::new("gpu_model", ColumnType::Text, "their model"),
            Column::new("market", ColumnType::Text, "on_demand or spot"),
            Column::new("interruption", ColumnType::Real, "share of spot machines taken back within a month"),
            Column::new("price_hour", ColumnType::Real, "price of an hour, in its own currency"),
            Column::new("currency", ColumnType::Text, "ISO 4217 code"),
            Column::new("as_of", ColumnType::Text, "day of the price"),
            Column::new("source", ColumnType::Text, "where it comes from"),
        ],
        narrows: vec!["cloud", "region", "instance_type"],
        rows: Arc::new(rows),
    }
}

fn offer(offer: &Offer) -> Vec<SqlValue> {
    let maybe = |word: &Option<lepton_model::SharedText>| word.as_deref().map_or(SqlValue::Null, text);
    let real = |number: rust_decimal::Decimal| number.try_into().map_or(SqlValue::Null, SqlValue::Real);
    vec![
        text(&*offer.cloud),
        text(&*offer.region),
        maybe(&offer.zone),
        text(&*offer.instance_type),
        text(&*offer.arch),
        SqlValue::Real(offer.cpu.as_millis() as f64 / 1_000.0),
        count(offer.memory.get()),
        count(offer.gpus.into()),
        maybe(&offer.gpu_model),
        text(offer.market.as_str()),
        offer.interruption.map_or(SqlValue::Null, real),
        real(offer.price_hour.amount),
        text(offer.price_hour.currency.as_str()),
        text(offer.as_of.to_string()),
        text(&*offer.source),
    ]
}
