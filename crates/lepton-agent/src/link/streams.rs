//! Logs on demand: each wish the server passes on is answered by a request whose body is the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use lepton_api::v1::LogRequest;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Link;
use crate::client::full;

/// Logs that are read at once.
const MAX_STREAMS: usize = 16;

/// A follower is asked to come again after this time.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The wishes that are being answered.
pub(super) struct Streams {
    link: Arc<Link>,
    tasks: TaskTracker,
    stop: CancellationToken,
    version: u64,
    /// Wishes the server lists: answered once, and cancelled when they are listed no longer.
    known: BTreeMap<u64, CancellationToken>,
}

impl Streams {
    pub(super) fn new(link: Arc<Link>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { link, tasks, stop, version: 0, known: BTreeMap::new() }
    }

    /// The version of the list that was obeyed last.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Begins and ends streams to match the list.
    pub(super) fn obey(&mut self, wishes: Vec<LogRequest>, version: u64) {
        self.version = version;
        self.known.retain(|id, end| {
            let wanted = wishes.iter().any(|wish| wish.id == *id);
            if !wanted {
                end.cancel();
            }
            wanted
        });
        for wish in wishes {
            if self.known.len() >= MAX_STREAMS || self.known.contains_key(&wish.id) {
                continue;
            }
            let end = self.stop.child_token();
            self.known.insert(wish.id, end.clone());
            self.tasks.spawn(end.run_until_cancelled_owned(answer(Arc::clone(&self.link), wish)));
        }
    }
}

async fn answer(link: Arc<Link>, wish: LogRequest) {
    let path = format!("/v1/agents/{}/streams/{}", link.node, wish.id);
    let body = match link.supervisor.logs(&wish.replica, u64::from(wish.tail), wish.follow) {
        Some(log) => StreamBody::new(log.map(|chunk| chunk.map(Frame::data))).boxed_unsync(),
        // An empty answer ends the reader's wait.
        None => full(bytes::Bytes::new()),
    };
    let sent = link.caller.stream(Method::POST, &path, body, "text/plain; charset=utf-8", LONGEST).await;
    if let Err(error) = sent {
        tracing::debug!(replica = %wish.replica, error = crate::ship::chain(&error), "a log's reader is gone");
    }
}
