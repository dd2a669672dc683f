//! The contract for scripts and foreign agents: `POST /usage` and `GET /service-status/{name}`.

use axum::extract::State;
use lepton_api::v1::{ServiceStatusReport, UsageInput};
use lepton_model::{FieldErrors, Key, Name, Role};
use serde::Serialize;

use super::input::{Json, Path};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::{clock, telemetry};

/// Answer to `POST /usage`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UsageReport {
    /// `ok`
    status: &'static str,
}

/// Takes one machine's load. It becomes the series `lepton_usage_cpu_percent`, `…_memory_percent`, `…_disk_percent` and
/// `…_network_bytes` with the label `source`, the token's name.
#[utoipa::path(
    post, path = "/usage", operation_id = "usage", tag = "telemetry", request_body = UsageInput,
    responses((status = 200, description = "On disk", body = UsageReport)),
)]
pub(crate) async fn usage(
    caller: Caller,
    State(app): State<App>,
    Json(input): Json<UsageInput>,
) -> Answer<UsageReport> {
    caller.may_measure()?;
    let mut errors = FieldErrors::new();
    for (field, value) in [
        ("cpu_usage", input.cpu_usage),
        ("memory_usage", input.memory_usage),
        ("disk_usage", input.disk_usage),
    ] {
        errors.require(
            (0.0..=100.0).contains(&value),
            field,
            format!("{value} is not a percentage from 0 to 100"),
        );
    }
    errors.require(
        input.network_usage >= 0.0 && input.network_usage.is_finite(),
        "network_usage",
        "is the bytes sent and received, 0 or more",
    );
    errors.into_result()?;
    let origin = telemetry::Origin::of(&caller);
    let now = clock::now().as_millis();
    let mut batch = app.lake.batch();
    for (metric, value) in [
        ("lepton_usage_cpu_percent", input.cpu_usage),
        ("lepton_usage_memory_percent", input.memory_usage),
        ("lepton_usage_disk_percent", input.disk_usage),
        ("lepton_usage_network_bytes", input.network_usage),
    ] {
        let mut labels = vec![("__name__", metric), ("source", caller.name.as_str())];
        labels.extend(origin.forced());
        batch.series(&labels).map_err(Fail::internal)?;
        batch.sample(now, value);
    }
    telemetry::store(&app, &batch).await?;
    Ok(axum::Json(UsageReport { status: "ok" }))
}

/// Says whether a service runs: `{"status":"running"}`. The service is looked for in the token's project, or `default`; write
/// `project.name` for another.
#[utoipa::path(
    get, path = "/service-status/{name}", operation_id = "service_status", tag = "telemetry",
    params(("name" = Name, Path, description = "A service, or `project.service`")),
    responses((status = 200, description = "Its state in one word", body = ServiceStatusReport)),
)]
pub(crate) async fn service_status(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<Name>,
) -> Answer<ServiceStatusReport> {
    if caller.role != Role::Agent {
        caller.may_read()?;
    }
    let world = app.view.world();
    let home = caller.project.clone().unwrap_or_else(Key::default_project);
    let mut places = vec![(home, name.clone())];
    if let Some((project, service)) = name.as_str().split_once('.')
        && let (Ok(project), Ok(service)) = (Name::new(project), Name::new(service))
    {
        places.push((project, service));
    }
    let found =
        places.iter().filter(|(project, _)| caller.sees(project)).find_map(|place| world.services.get(place));
    let service = found.ok_or_else(|| Fail::not_found(format!("service {name}")))?;
    Ok(axum::Json(ServiceStatusReport { status: service.status.phase.as_str().to_owned() }))
}
