//! `/v1/status`, `/v1/reconcilers`, `/v1/backup`: the server and the estate as a whole.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use axum::extract::State;
use lepton_api::v1::{BackupOutput, EstateReport, ReconcilerReport};
use lepton_model::{IncidentPhase, JobPhase, Name};
use sha2::{Digest as _, Sha256};

use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::{clock, offers};

/// The lake's list of checksums in a backup.
const LAKE_LIST: &str = "checksums.sha256";

fn counted<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.to_owned()).or_insert(0) += 1;
    }
    counts
}

fn job_word(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Pending => "pending",
        JobPhase::Running => "running",
        JobPhase::Succeeded => "succeeded",
        JobPhase::Failed => "failed",
    }
}

/// The estate in a few numbers. A token of one project is told its project's services, jobs and incidents; nodes are
/// counted for everyone.
#[utoipa::path(
    get, path = "/v1/status", operation_id = "status", tag = "server",
    responses((status = 200, description = "Counts and reconcilers", body = EstateReport)),
)]
pub(crate) async fn status(caller: Caller, State(app): State<App>) -> Answer<EstateReport> {
    caller.may_read()?;
    let world = app.view.world();
    let open = |incident: &&std::sync::Arc<lepton_model::Object<lepton_model::IncidentSpec>>| {
        incident.status.phase != IncidentPhase::Resolved && caller.sees(&incident.meta.project)
    };
    Ok(axum::Json(EstateReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: app.started_at,
        now: clock::now(),
        nodes: counted(world.nodes.values().map(|node| node.status.phase.as_str())),
        services: counted(
            world.services.values().filter(|s| caller.sees(&s.meta.project)).map(|s| s.status.phase.as_str()),
        ),
        jobs: counted(
            world.jobs.values().filter(|j| caller.sees(&j.meta.project)).map(|j| job_word(j.status.phase)),
        ),
        // Advice speaks of the whole estate.
        advice: (caller.project.is_none())
            .then(|| world.policies.values().find_map(|policy| policy.status.advice.as_ref()))
            .flatten()
            .map(|advice| advice.summary.clone()),
        open_incidents: world.incidents.values().filter(open).count() as u64,
        samples_accepted: app.metrics.samples.get(),
        active_series: app.lake.stats().head_series,
        revision: world.revision,
        reconcilers: app.reconcilers.reports(),
    }))
}

/// The server's reconcilers: last run, duration, error.
#[utoipa::path(
    get, path = "/v1/reconcilers", operation_id = "reconcilers", tag = "server",
    responses((status = 200, description = "Every reconciler", body = Vec<ReconcilerReport>)),
)]
pub(crate) async fn reconcilers(caller: Caller, State(app): State<App>) -> Answer<Vec<ReconcilerReport>> {
    caller.may_read()?;
    Ok(axum::Json(app.reconcilers.reports()))
}

/// Writes a consistent copy of everything into a new folder of the server's own, while work goes on.
#[utoipa::path(
    post, path = "/v1/backup", operation_id = "backup", tag = "server",
    responses((status = 201, description = "The copy is on disk", body = BackupOutput)),
)]
pub(crate) async fn backup(
    caller: Caller,
    State(app): State<App>,
) -> Result<(http::StatusCode, axum::Json<BackupOutput>), Fail> {
    caller.may_administer()?;
    let text = clock::now().to_string();
    let stamp = text.chars().filter(char::is_ascii_digit).take(17).collect::<String>();
    let name = Name::new(format!("backup-{stamp}")).map_err(Fail::internal)?;
    let folder = app.config.data.join("server").join("backups").join(name.as_str());
    let output = write_backup(&app, name, &folder).await;
    if output.is_err() {
        // Half a backup must not look like one.
        let _ = tokio::fs::remove_dir_all(&folder).await;
    }
    output.map(|output| (http::StatusCode::CREATED, axum::Json(output)))
}

async fn write_backup(app: &App, name: Name, folder: &FilePath) -> Result<BackupOutput, Fail> {
    tokio::fs::create_dir_all(folder).await.map_err(Fail::internal)?;
    let store = app.store.backup(&folder.join("lepton.db")).await?;
    let (lake, lake_folder) = (app.lake.clone(), folder.join("lake"));
    let snapshot = crate::tasks::blocking(move || lake.snapshot(&lake_folder)).await;
    let lake = snapshot.map_err(Fail::internal)??;
    // The lake's own list has a checksum for each of its files; this one vouches for the list.
    let list = tokio::fs::read(folder.join("lake").join(LAKE_LIST)).await.map_err(Fail::internal)?;
    let mut files = serde_json::json!({
        "lepton.db": {"bytes": store.bytes, "sha256": store.sha256},
        format!("lake/{LAKE_LIST}"): {"bytes": list.len(), "sha256": sha256(&list)},
    });
    let offers = match tokio::fs::read(app.offers.path()).await {
        Ok(offers) => offers,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Fail::internal(error)),
    };
    if !offers.is_empty() {
        files[offers::FILE] = serde_json::json!({"bytes": offers.len(), "sha256": sha256(&offers)});
        let path = folder.join(offers::FILE);
        write_new(path, offers.clone()).await?;
    }
    let manifest = serde_json::json!({
        "name": name, "version": env!("CARGO_PKG_VERSION"), "made_at": clock::now(), "revision": store.revision,
        "files": files,
    });
    let text = serde_json::to_vec_pretty(&manifest).map_err(Fail::internal)?;
    write_new(folder.join("MANIFEST.json"), text).await?;
    let bytes = store.bytes + lake.bytes + offers.len() as u64;
    Ok(BackupOutput {
        name,
        path: folder.display().to_string(),
        bytes,
        revision: store.revision,
        sha256: store.sha256,
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file that was not there, to the disk.
async fn write_new(path: PathBuf, bytes: Vec<u8>) -> Result<(), Fail> {
    let write = move || -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(&path)?;
        std::io::Write::write_all(&mut file, &bytes)?;
        file.sync_all()
    };
    crate::tasks::blocking(write).await.map_err(Fail::internal)?.map_err(Fail::internal)
}
