//! Tells webhooks of incidents: at least once, signed, with an id by which a receiver knows a repeat.

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lepton_model::{
    Act, Actor, IncidentPhase, IncidentSpec, Key, Object, Outcome as Ended, Subject, WebhookEvent,
    WebhookSpec,
};
use lepton_store::{Change, Expect, Fence, Transaction};
use sha2::Sha256;

use super::memory::Attempts;
use super::{Fault, Outcome};
use crate::app::App;
use crate::view::World;
use crate::{clock, record};

const TIMEOUT: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 8;
/// First and longest wait after a failed delivery.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// Then it is given up, and said so.
const MOST_ATTEMPTS: u32 = 20;

type Incident = std::sync::Arc<Object<IncidentSpec>>;
type Webhook = std::sync::Arc<Object<WebhookSpec>>;

struct Delivery {
    incident: Incident,
    webhook: Webhook,
    /// About the end of the incident, not its beginning.
    resolved: bool,
}

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let world = app.view.world();
    let due = due(&app, &world);
    let count = due.len();
    let told = stream::iter(due)
        .map(|delivery| {
            let (app, fence) = (app.clone(), fence.clone());
            async move { deliver(&app, fence, delivery).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    // A failed delivery is no failed run; one that cannot be recorded is.
    told.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((count > 0).then(|| format!("{count} deliveries tried")))
}

fn due(app: &App, world: &World) -> Vec<Delivery> {
    let now = Instant::now();
    let attempts = app.reconcilers.memory.deliveries.lock();
    let mut due = Vec::new();
    for incident in world.incidents.values() {
        let resolved = incident.status.phase == IncidentPhase::Resolved;
        for webhook in world.webhooks.values().filter(|webhook| concerns(webhook, incident)) {
            let name = &webhook.meta.name;
            let told = if resolved { &incident.status.notified_resolved } else { &incident.status.notified };
            // The end is told only to those who heard of the beginning.
            if told.contains(name) || (resolved && !incident.status.notified.contains(name)) {
                continue;
            }
            let event = if resolved { WebhookEvent::IncidentResolved } else { WebhookEvent::IncidentOpened };
            let wanted = webhook.spec.events.is_empty() || webhook.spec.events.contains(&event);
            let tried = attempts.get(&(incident.meta.uid, name.clone(), resolved));
            if wanted && tried.is_none_or(|tried| tried.next <= now && tried.failed < MOST_ATTEMPTS) {
                due.push(Delivery { incident: incident.clone(), webhook: webhook.clone(), resolved });
            }
        }
    }
    due
}

/// Of the webhook's project or of the estate, and urgent enough. What began before the webhook was made is not told.
fn concerns(webhook: &Object<WebhookSpec>, incident: &Object<IncidentSpec>) -> bool {
    let project = &incident.meta.project;
    (*project == webhook.meta.project || *project == Key::estate())
        && incident.spec.severity >= webhook.spec.least_severity
        && incident.meta.created_at >= webhook.meta.created_at
}

async fn deliver(app: &App, fence: Fence, delivery: Delivery) -> Result<(), Fault> {
    let Delivery { incident, webhook, resolved } = &delivery;
    let slot = (incident.meta.uid, webhook.meta.name.clone(), *resolved);
    let outcome = post(app, &delivery).await;
    let failed = {
        let mut attempts = app.reconcilers.memory.deliveries.lock();
        match &outcome {
            Ok(()) => {
                attempts.remove(&slot);
                0
            }
            Err(_) => {
                let tried = attempts.entry(slot).or_insert(Attempts { failed: 0, next: Instant::now() });
                tried.failed += 1;
                let wait = BACKOFF.0.saturating_mul(1 << (tried.failed - 1).min(16)).min(BACKOFF.1);
                tried.next = Instant::now() + wait;
                tried.failed
            }
        }
    };
    let now = clock::now();
    let about = if *resolved { "the end of" } else { "" };
    let reason = match &outcome {
        Ok(()) => format!("told of {about} incident {}", incident.meta.name),
        Err(why) => format!("could not be told of {about} incident {}: {why}", incident.meta.name),
    };
    let actor = Actor::reconciler("webhook_notify");
    let mut entry =
        record::entry(now, actor, Act::Notify, Subject::from(webhook.key()), reason.replace("  ", " "));
    let mut transaction = Transaction { fence: Some(fence), ..Transaction::default() };
    if outcome.is_ok() {
        // Read anew: other deliveries of this run may have written.
        let Some(object) = app.store.get(&incident.key()).await? else { return Ok(()) };
        let Ok(current) = object.decode::<IncidentSpec>() else { return Ok(()) };
        let mut status = current.status;
        let told = if *resolved { &mut status.notified_resolved } else { &mut status.notified };
        told.push(webhook.meta.name.clone());
        transaction.changes.push(Change::PutStatus {
            key: incident.key(),
            status: serde_json::to_value(status)?,
            expect: Expect::Revision(object.meta.revision),
        });
    } else {
        // The first failure and the last are on the record; those between are in the log.
        tracing::warn!(webhook = %webhook.key(), reason, "delivery failed");
        entry.outcome = Ended::Failed;
        if failed != 1 && failed != MOST_ATTEMPTS {
            return Ok(());
        }
    }
    transaction.timeline.push(entry);
    match app.store.commit(now, transaction).await {
        // Told, but somebody changed the incident in between: it is told again, under the same id.
        Err(lepton_store::StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(report) => {
            app.view.reached(report.revision).await;
            Ok(())
        }
    }
}

async fn post(app: &App, delivery: &Delivery) -> Result<(), String> {
    let Delivery { incident, webhook, resolved } = delivery;
    let event = if *resolved { "incident_resolved" } else { "incident_opened" };
    let body = serde_json::json!({
        "event": event,
        "incident": {
            "project": incident.meta.project, "name": incident.meta.name, "uid": incident.meta.uid,
            "spec": incident.spec, "status": incident.status,
        },
    });
    let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    let mut request = app
        .http_client
        .post(&webhook.spec.url)
        .timeout(TIMEOUT)
        .header("content-type", "application/json")
        .header("user-agent", concat!("lepton/", env!("CARGO_PKG_VERSION")))
        .header("x-lepton-event", event)
        .header("idempotency-key", format!("{}-{event}", incident.meta.uid));
    if let Some(file) = &webhook.spec.secret_file {
        let path = secret_path(&app.config.data, file)?;
        let secret =
            tokio::fs::read(path).await.map_err(|error| format!("cannot read secret {file}: {error}"))?;
        request = request
            .header("x-lepton-signature", format!("sha256={}", signature(secret.trim_ascii(), &body)?));
    }
    let response = request.body(body).send().await.map_err(|error| error.without_url().to_string())?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

/// Only files of the server's own `secrets` folder may be keys: whoever writes a webhook must not read others through it.
fn secret_path(data: &Path, file: &str) -> Result<PathBuf, String> {
    let name = Path::new(file);
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    if plain {
        Ok(data.join("secrets").join(name))
    } else {
        Err(format!("{file} is not a file of the server's secrets folder"))
    }
}

fn signature(secret: &[u8], body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|error| error.to_string())?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn signature_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let expect = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(super::signature(b"Jefe", b"what do ya want for nothing?").unwrap(), expect);
    }
}
