//! The long poll: the wanted state of this node, as soon as it changes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lepton_api::v1::AssignmentReport;

use super::streams::Streams;
use super::{LONGEST_PAUSE, Link, LinkError, TIMEOUT};
use crate::backoff::Backoff;
use crate::supervise::ApplyError;

/// How long the server may hold a poll.
const WAIT: Duration = Duration::from_secs(30);

/// Clocks further apart are worth a person's attention.
const SKEW: Duration = Duration::from_secs(2);

impl Link {
    /// Polls for ever.
    pub(super) async fn poll(self: Arc<Self>, mut streams: Streams) {
        let mut backoff = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            let problem = match self.poll_once(&mut streams).await {
                Ok(None) => {
                    backoff.reset();
                    continue;
                }
                Ok(Some(problem)) => problem,
                Err(error) => crate::ship::chain(&error),
            };
            if backoff.failures() == 0 {
                tracing::warn!(problem, "no new assignment; the last one stays in force");
            }
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    /// One poll. What is wrong with the assignment, if anything is.
    async fn poll_once(&self, streams: &mut Streams) -> Result<Option<String>, LinkError> {
        let generation = self.supervisor.generation().await;
        let path = format!(
            "/v1/agents/{}/assignment?generation={generation}&streams={}&wait={}s",
            self.node,
            streams.version(),
            WAIT.as_secs()
        );
        let sent = self.clock.monotonic();
        let report: AssignmentReport =
            self.caller.call(Method::GET, &path, None::<&()>, WAIT + TIMEOUT).await?;
        self.answered(sent, Some(report.lease.duration()));
        self.compare_clocks(&report);
        streams.obey(report.streams, report.streams_version);
        let Some(assignment) = report.assignment else { return Ok(None) };
        let result = self.supervisor.apply(report.generation, assignment).await;
        let problem = result.err().map(|error| match error {
            ApplyError::Stale { given, obeyed } => format!(
                "the server's assignment has generation {given}, older than {obeyed}, which this node obeys; \
                 was the server restored from a backup?"
            ),
            error => crate::ship::chain(&error),
        });
        self.condition("assignment_refused", problem.clone());
        Ok(problem)
    }

    /// Says when this machine's clock and the server's differ by more than an answer's way home can explain.
    fn compare_clocks(&self, report: &AssignmentReport) {
        let apart = self.clock.wall().as_millis().abs_diff(report.now.as_millis());
        let skewed = apart > SKEW.as_millis() as u64;
        let message = skewed.then(|| format!("this machine's clock is {apart} ms apart from the server's"));
        self.condition("clock_skew", message);
    }
}
