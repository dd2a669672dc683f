//! Shipping: from the disk queue to a server, until it says that it has it.
//!
//! ```text
//!   samples queue ──► SampleShipper  "server"    remote write 2.0 to {server}/v1/telemetry/prometheus
//!                └──► SampleShipper  "remote-0"  remote write 1.0 or 2.0 to anybody else's
//!   events queue  ──► EventShipper               POST {server}/v1/agents/{node}/events
//! ```
//!
//! One request at a time each, in order. What is not acknowledged is sent again: refused connections, 5xx, 429, time-outs
//! and broken answers wait (longer each time, with jitter, or as `Retry-After` says); credentials that are refused wait
//! too, because a person can mend them; only what the receiver calls malformed is given up, counted and said.

mod batch;
mod events;
mod samples;
mod tick;
mod token;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::client::{Answer, Client, full};

pub use events::{EventQueue, EventShipper};
pub use samples::{SampleShipper, Target};
pub use tick::{TickDecoder, TickEncoder, TickError};
pub use token::Token;

/// Time for one request, normally.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait that a receiver can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// What became of the queue and its requests; read by the collector, for `lepton_agent_*`.
#[derive(Debug, Default)]
pub struct ShipCounters {
    /// Samples or events that were acknowledged.
    pub shipped: AtomicU64,
    /// Samples or events that the receiver would not have.
    pub refused: AtomicU64,
    /// Attempts that failed.
    pub failures: AtomicU64,
    /// Records (ticks, batches of events) that wait.
    pub backlog: AtomicU64,
    /// Bytes that wait.
    pub backlog_bytes: AtomicU64,
    /// Records dropped unread because the queue was full.
    pub dropped: AtomicU64,
}

impl ShipCounters {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    fn set_backlog(&self, (records, bytes): (u64, u64)) {
        self.backlog.store(records, Ordering::Relaxed);
        self.backlog_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// What to do after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is theirs now.
    Taken,
    /// Send it again, after this long if they said so.
    Again(Option<Duration>),
    /// They will never take it.
    Refused,
}

fn judge(status: StatusCode, retry_after: Option<Duration>) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Taken,
        // The receiver, or what stands before it, is busy, absent or misconfigured; or our credential is.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 408 | 421 | 425 | 429 | 500.. => {
            Verdict::Again(retry_after.map(|wait| wait.min(MAX_RETRY_AFTER)))
        }
        _ => Verdict::Refused,
    }
}

/// How a delivery ended.
enum Delivery {
    Taken,
    Refused(Answer),
    /// The agent stops; it stays in the queue.
    Stopped,
}

/// What is delivered: a body, with what its receiver wants to know of it.
struct Parcel<'a> {
    path: &'a str,
    headers: &'a [(HeaderName, &'static str)],
    token: &'a Token,
    body: Bytes,
    timeout: Duration,
}

impl Parcel<'_> {
    async fn attempt(&self, client: &Client) -> Result<Answer, String> {
        let mut request = client.request(Method::POST, self.path);
        for (name, value) in self.headers {
            request = request.header(name, *value);
        }
        if let Some(token) = self.token.read().await? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(full(self.body.clone())).map_err(|error| error.to_string())?;
        client.send(request, self.timeout).await.map_err(|error| chain(&error))
    }
}

/// Sends a parcel until it is taken or refused.
async fn deliver(
    client: &Client,
    counters: &ShipCounters,
    stop: &CancellationToken,
    parcel: Parcel<'_>,
) -> Delivery {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
    loop {
        let attempt = parcel.attempt(client);
        let result = tokio::select! {
            result = attempt => result,
            () = stop.cancelled() => return Delivery::Stopped,
        };
        let (wait, problem) = match result {
            Ok(answer) => match judge(answer.status, answer.retry_after()) {
                Verdict::Taken => return Delivery::Taken,
                Verdict::Refused => return Delivery::Refused(answer),
                Verdict::Again(wait) => (wait, answer.complaint()),
            },
            Err(problem) => (None, problem),
        };
        ShipCounters::add(&counters.failures, 1);
        if backoff.failures() == 0 {
            tracing::warn!(
                server = client.endpoint().authority(),
                problem,
                "not shipped; kept, and tried again"
            );
        }
        let wait = wait.unwrap_or(Duration::ZERO).max(backoff.wait());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Delivery::Stopped,
        }
    }
}

/// Waits after the queue could not be read; `None` when the agent stops.
async fn pause_after(error: &crate::spool::SpoolError, stop: &CancellationToken) -> Option<()> {
    tracing::error!(error = chain(error), "the queue cannot be read; trying on");
    stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(10))).await
}

/// An error and what caused it, in a line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_malformed_is_given_up() {
        let check = |status: u16, expect: Verdict| {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            assert_eq!(judge(status, None), expect, "{status}");
        };
        for status in [200, 204] {
            check(status, Verdict::Taken);
        }
        for status in [301, 401, 403, 404, 408, 429, 500, 502, 503, 504, 507] {
            check(status, Verdict::Again(None));
        }
        for status in [400, 409, 413, 415, 422] {
            check(status, Verdict::Refused);
        }
        let hour = Duration::from_secs(3_600);
        assert_eq!(judge(StatusCode::TOO_MANY_REQUESTS, Some(hour)), Verdict::Again(Some(MAX_RETRY_AFTER)));
    }
}
