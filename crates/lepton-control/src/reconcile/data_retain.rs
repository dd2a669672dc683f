//! Forgets what is older than the configuration keeps: samples, history, plans, incidents, finished jobs, dead tokens.

use lepton_lake::MaintainReport;
use lepton_model::{Act, Actor, IncidentPhase, Key, Kind, Period, Subject, Timestamp};
use lepton_store::{Change, Expect, Fence, ListInput, Transaction};

use super::{Fault, Outcome};
use crate::app::App;
use crate::view::World;
use crate::{clock, record};

/// Most deletions of one run.
const MOST: usize = 1_000;

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let now = clock::now();
    let lake = app.lake.clone();
    let maintained = crate::tasks::blocking(move || lake.maintain(now.as_millis())).await;
    let maintained = maintained.map_err(Fault::Other)??;
    let history = &app.config.history;
    let ago = |period: Period| now.before(period.duration());
    let rows = app.store.compact(ago(history.changes), ago(history.timeline)).await?;
    let mut transaction = old_objects(&app, &app.view.world(), now);
    for key in old_plans(&app, history.plans).await? {
        transaction.changes.push(Change::Delete { key, expect: Expect::Any });
    }
    transaction.changes.truncate(MOST);
    let objects = transaction.changes.len();
    if objects > 0 {
        transaction.fence = Some(fence);
        app.store.commit(now, transaction).await?;
    }
    Ok(said(rows, objects, &maintained))
}

/// What was done, without what was not.
fn said(rows: u64, objects: usize, lake: &MaintainReport) -> Option<String> {
    let parts = [
        (rows, "rows of history deleted"),
        (objects as u64, "objects deleted"),
        (lake.flushed_samples, "samples moved from memory to blocks"),
        (lake.merged_blocks, "blocks merged"),
        (lake.tier_blocks, "downsampled blocks written"),
        (lake.deleted_blocks, "blocks deleted"),
        (lake.deleted_bytes, "bytes freed"),
    ];
    let done: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!done.is_empty()).then(|| done.join(", "))
}

fn old_objects(app: &App, world: &World, now: Timestamp) -> Transaction {
    let history = &app.config.history;
    let older = |at: Timestamp, than: Period| now.since(at) > than.duration();
    let mut transaction = Transaction::default();
    let mut delete = |key: Key| transaction.changes.push(Change::Delete { key, expect: Expect::Any });
    for incident in world.incidents.values() {
        if incident.status.phase == IncidentPhase::Resolved && older(incident.status.at, history.incidents) {
            delete(incident.key());
        }
    }
    for token in world.tokens.values() {
        let ended = token
            .status
            .revoked_at
            .or(token.status.used_at)
            .or(token.spec.expires_at.filter(|at| *at <= now));
        if ended.is_some_and(|at| older(at, history.tokens)) {
            delete(token.key());
        }
    }
    let jobs =
        world.jobs.values().filter(|job| job.status.finished_at.is_some_and(|at| older(at, history.jobs)));
    let jobs: Vec<Key> = jobs.map(|job| job.key()).collect();
    for key in jobs {
        let reason = format!("it ended more than {} ago", history.jobs);
        let actor = Actor::reconciler("data_retain");
        transaction.timeline.push(record::entry(now, actor, Act::Delete, Subject::from(key.clone()), reason));
        transaction.changes.push(Change::Delete { key, expect: Expect::Any });
    }
    transaction
}

/// Plans beyond the newest `keep`: their names sort by age.
async fn old_plans(app: &App, keep: usize) -> Result<Vec<Key>, Fault> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let input = ListInput { limit: 5_000, after: after.take(), ..ListInput::default() };
        let page = app.store.list(Kind::Plan, input).await?;
        keys.extend(page.items.iter().map(lepton_model::AnyObject::key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let surplus = keys.len().saturating_sub(keep);
    keys.truncate(surplus);
    Ok(keys)
}
