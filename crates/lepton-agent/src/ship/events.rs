//! Timeline entries: from whoever makes them onto the disk, and from there to the server, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::header;
use lepton_api::v1::EventsInput;
use lepton_model::{Name, TimelineEntry};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Delivery, Parcel, ShipCounters, TIMEOUT, Token, deliver};
use crate::client::Client;
use crate::spool::{MAX_RECORD, Position, Reader, SpoolError, Writer};

/// Entries in one request, as the API allows.
const MAX_ENTRIES: usize = 1_000;

/// Bytes of one request.
const MAX_BYTES: usize = 512 << 10;

/// Entries that wait in memory while the disk takes none; after that, who makes them waits.
const MAX_WAITING: usize = 4_096;

/// Takes entries off a channel and puts them, synced, into the queue.
pub struct EventQueue {
    writer: Writer,
    entries: mpsc::Receiver<TimelineEntry>,
    counters: Arc<ShipCounters>,
    waiting: VecDeque<Vec<u8>>,
}

impl EventQueue {
    /// From `entries` to `writer`.
    pub fn new(writer: Writer, entries: mpsc::Receiver<TimelineEntry>, counters: Arc<ShipCounters>) -> Self {
        Self { writer, entries, counters, waiting: VecDeque::new() }
    }

    /// Runs until every sender of the channel is gone and all they sent is on disk.
    pub async fn run(mut self) {
        let mut fails = false;
        loop {
            if self.waiting.is_empty() {
                match self.entries.recv().await {
                    Some(entry) => self.take(&entry),
                    None => return,
                }
            }
            while self.waiting.len() < MAX_WAITING {
                match self.entries.try_recv() {
                    Ok(entry) => self.take(&entry),
                    Err(_) => break,
                }
            }
            // On a thread that may block: the disk can take its time, the supervisor's runtime cannot.
            let stored = tokio::task::spawn_blocking(move || {
                let result = self.store();
                (self, result)
            });
            let Ok((back, result)) = stored.await else { return };
            self = back;
            match result {
                Ok(()) => fails = false,
                Err(error) => {
                    if !fails {
                        tracing::error!(
                            error = super::chain(&error),
                            "events cannot be written down; they wait in memory"
                        );
                    }
                    fails = true;
                    if self.entries.is_closed() && self.entries.is_empty() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn take(&mut self, entry: &TimelineEntry) {
        match serde_json::to_vec(entry) {
            Ok(payload) if payload.len() <= MAX_RECORD => self.waiting.push_back(payload),
            Ok(payload) => {
                tracing::error!(id = %entry.id, bytes = payload.len(), "an event is too large to be kept")
            }
            Err(error) => tracing::error!(id = %entry.id, %error, "an event cannot be written"),
        }
    }

    fn store(&mut self) -> Result<(), SpoolError> {
        while let Some(payload) = self.waiting.front() {
            self.writer.roll_if_due()?;
            let dropped = self.writer.append(payload)?;
            ShipCounters::add(&self.counters.dropped, dropped);
            self.waiting.pop_front();
        }
        self.writer.syncer().sync()
    }
}

/// Takes entries from the queue to the server.
pub struct EventShipper {
    reader: Reader,
    client: Arc<Client>,
    token: Token,
    node: Name,
    counters: Arc<ShipCounters>,
    payload: Vec<u8>,
}

impl EventShipper {
    /// Starts where `reader` left off; `token` is the credential of `node`.
    pub fn new(
        reader: Reader,
        client: Arc<Client>,
        token: Token,
        node: Name,
        counters: Arc<ShipCounters>,
    ) -> Self {
        Self { reader, client, token, node, counters, payload: Vec::new() }
    }

    /// Ships until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let (entries, end) = match self.gather() {
                Ok((entries, Some(end))) => (entries, end),
                Ok((_, None)) => tokio::select! {
                    () = self.reader.wait() => continue,
                    () = stop.cancelled() => return,
                },
                Err(error) => match super::pause_after(&error, &stop).await {
                    Some(()) => continue,
                    None => return,
                },
            };
            if !self.ship(entries, &stop).await {
                return;
            }
            if let Err(error) = self.reader.acknowledge(end) {
                tracing::warn!(
                    error = super::chain(&error),
                    "after a restart these events will be sent again"
                );
            }
            self.counters.set_backlog(self.reader.backlog());
        }
    }

    /// The next entries, in order, and where they end.
    fn gather(&mut self) -> Result<(Vec<TimelineEntry>, Option<Position>), SpoolError> {
        let (mut entries, mut bytes, mut end) = (Vec::new(), 0, None);
        while entries.len() < MAX_ENTRIES && bytes < MAX_BYTES {
            let record = match self.reader.read(&mut self.payload) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // What was read before goes first; the error comes again at the next call.
                Err(error) if entries.is_empty() => return Err(error),
                Err(_) => break,
            };
            end = Some(record.end);
            bytes += self.payload.len();
            match serde_json::from_slice(&self.payload) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    tracing::error!(%error, "an event in the queue does not read; it is passed over")
                }
            }
        }
        Ok((entries, end))
    }

    /// Ships all of them. Should the server refuse the whole, each goes alone, so that one bad entry costs no other.
    /// False when the agent stops.
    async fn ship(&self, entries: Vec<TimelineEntry>, stop: &CancellationToken) -> bool {
        let mut parts = VecDeque::from([entries]);
        while let Some(entries) = parts.pop_front() {
            let count = entries.len() as u64;
            let input = EventsInput { entries };
            let body = match serde_json::to_vec(&input) {
                Ok(body) if count > 0 => bytes::Bytes::from(body),
                _ => continue,
            };
            let path = format!("/v1/agents/{}/events", self.node);
            let headers = [(header::CONTENT_TYPE, "application/json")];
            let parcel =
                Parcel { path: &path, headers: &headers, token: &self.token, body, timeout: TIMEOUT };
            match deliver(&self.client, &self.counters, stop, parcel).await {
                Delivery::Taken => ShipCounters::add(&self.counters.shipped, count),
                Delivery::Refused(_) if count > 1 => {
                    parts.extend(input.entries.into_iter().map(|entry| vec![entry]))
                }
                Delivery::Refused(answer) => {
                    ShipCounters::add(&self.counters.refused, count);
                    tracing::error!(problem = answer.complaint(), "an event was refused and is given up");
                }
                Delivery::Stopped => return false,
            }
        }
        true
    }
}
