//! The status: what is observed here, told on every change and often enough to keep the lease.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lepton_api::v1::AgentStatusInput;
use lepton_model::{Act, Condition, Outcome};

use super::{Link, LinkError};
use crate::backoff::Backoff;

/// Changes within this time travel together.
const GATHER: Duration = Duration::from_millis(100);

impl Link {
    /// Reports for ever.
    pub(super) async fn report_status(self: Arc<Self>) {
        let mut changes = self.supervisor.changes();
        let mut lost_since: Option<Duration> = None;
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            changes.mark_unchanged();
            let began = self.clock.monotonic();
            let third = (self.lease() / 3).max(Duration::from_millis(100));
            match self.put_status(third).await {
                Ok(()) => {
                    self.answered(began, None);
                    backoff.reset();
                    self.found(&mut lost_since);
                    let next = third.saturating_sub(self.clock.monotonic().saturating_sub(began));
                    tokio::select! {
                        () = tokio::time::sleep(next) => {}
                        changed = changes.changed() => {
                            // The supervisor is gone only when the agent ends.
                            if changed.is_err() {
                                return;
                            }
                            tokio::time::sleep(GATHER).await;
                        }
                    }
                }
                Err(error) => {
                    self.lost(&mut lost_since, &error);
                    tokio::time::sleep(backoff.wait().min(third)).await;
                }
            }
        }
    }

    async fn put_status(&self, timeout: Duration) -> Result<(), LinkError> {
        let conditions = self.conditions.lock().clone();
        let replicas = self.supervisor.reports();
        let input = AgentStatusInput {
            generation: self.supervisor.generation().await,
            facts: self.facts.clone(),
            capacity: self.capacity.clone(),
            ports_taken: self.ports.taken(self.clock.monotonic(), &replicas),
            replicas,
            conditions: conditions
                .into_iter()
                .map(|(name, message)| Condition { name: name.to_owned(), message })
                .collect(),
            now: self.clock.wall(),
        };
        let path = format!("/v1/agents/{}/status", self.node);
        self.caller
            .send(Method::PUT, &path, Some(&input), timeout.max(Duration::from_secs(1)))
            .await
            .map(drop)
    }

    /// Says once that the server does not answer, when it has not for two thirds of the lease.
    fn lost(&self, since: &mut Option<Duration>, error: &LinkError) {
        let now = self.clock.monotonic();
        if since.is_some() || self.contact.borrow().is_fresh(now) {
            return;
        }
        *since = Some(self.contact.borrow().answered.unwrap_or(now));
        let problem = crate::ship::chain(error);
        tracing::warn!(problem, "the server does not answer; working on alone");
        let reason = format!("the server does not answer ({problem}); working on alone");
        self.reporter.say(Act::Link, Outcome::Failed, reason, None);
    }

    /// Says once that it answers again.
    fn found(&self, since: &mut Option<Duration>) {
        let Some(since) = since.take() else { return };
        let seconds = self.clock.monotonic().saturating_sub(since).as_secs();
        tracing::info!(seconds, "the server answers again");
        self.reporter.say(
            Act::Link,
            Outcome::Ok,
            format!("the server answers again after {seconds} s"),
            None,
        );
    }
}
