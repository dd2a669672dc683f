//! `POST /v1/sql`: one read-only statement over everything.

use std::time::Duration;

use axum::extract::State;
use lepton_api::v1::{SqlInput, SqlReport};
use lepton_sql::{SqlError, SqlScope};

use super::input::Json;
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::clock;

/// Runs one SELECT over the estate's tables; `SELECT * FROM lepton_tables` lists them. A token of one project finds that
/// project's rows.
#[utoipa::path(
    post, path = "/v1/sql", operation_id = "sql", tag = "sql", request_body = SqlInput,
    responses((status = 200, description = "Rows", body = SqlReport)),
)]
pub(crate) async fn sql(
    caller: Caller,
    State(app): State<App>,
    Json(input): Json<SqlInput>,
) -> Answer<SqlReport> {
    caller.may_read()?;
    let scope = caller.project.clone().map_or(SqlScope::All, SqlScope::Project);
    let report = app.sql.query(clock::now(), scope, input).await.map_err(|error| match error {
        SqlError::Params(_) => Fail::field("params", error),
        SqlError::Busy => Fail::too_many(Duration::from_secs(1), error),
        SqlError::Backend(_) => Fail::internal(error),
        error => Fail::field("query", error),
    })?;
    Ok(axum::Json(report))
}
