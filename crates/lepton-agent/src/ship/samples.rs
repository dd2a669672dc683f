//! Samples to one receiver.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, header};
use lepton_api::remote_write::{Encoder, Protocol, VERSION};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::tick::TickDecoder;
use super::{Delivery, Parcel, ShipCounters, Token, deliver};
use crate::client::Client;
use crate::spool::{Position, Reader, SpoolError};

/// A receiver of remote write.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its server.
    pub client: Arc<Client>,
    /// Where on it.
    pub path: String,
    /// Which version it gets.
    pub protocol: Protocol,
    /// Its credential.
    pub token: Token,
    /// Labels that every series gets, `node` among them.
    pub labels: Vec<(String, String)>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Takes ticks from the queue, a batch at a time, to one receiver.
pub struct SampleShipper {
    reader: Reader,
    target: Target,
    counters: Arc<ShipCounters>,
    decoder: TickDecoder,
    batch: Batch,
    payload: Vec<u8>,
    /// The record in `payload` was read but did not fit the batch.
    held: Option<Position>,
    /// Up to here records only tell the decoder what they build on.
    known: Position,
    /// After a garbled record: nothing can be read before the next segment.
    lost: bool,
}

impl SampleShipper {
    /// Starts where `reader` left off.
    pub fn new(mut reader: Reader, target: Target, counters: Arc<ShipCounters>) -> Self {
        let known = reader.rewind();
        Self {
            reader,
            target,
            counters,
            decoder: TickDecoder::default(),
            batch: Batch::default(),
            payload: Vec::new(),
            held: None,
            known,
            lost: false,
        }
    }

    /// Ships until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut encoder = Encoder::new(self.target.protocol);
        loop {
            let end = match self.gather() {
                Ok(Some(end)) => end,
                Ok(None) => tokio::select! {
                    () = self.reader.wait() => continue,
                    () = stop.cancelled() => return,
                },
                Err(error) => match super::pause_after(&error, &stop).await {
                    Some(()) => continue,
                    None => return,
                },
            };
            let labels: Vec<(&str, &str)> =
                self.target.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let count = self.batch.encode(self.decoder.texts(), &labels, &mut encoder) as u64;
            let body = bytes::Bytes::copy_from_slice(encoder.finish());
            self.batch.clear();
            if count > 0 {
                let Target { client, path, protocol, token, timeout, .. } = &self.target;
                let headers = [
                    (header::CONTENT_TYPE, protocol.content_type()),
                    (header::CONTENT_ENCODING, "snappy"),
                    (HeaderName::from_static(VERSION), protocol.version()),
                ];
                let parcel = Parcel { path, headers: &headers, token, body, timeout: *timeout };
                match deliver(client, &self.counters, &stop, parcel).await {
                    Delivery::Taken => ShipCounters::add(&self.counters.shipped, count),
                    Delivery::Refused(answer) => {
                        ShipCounters::add(&self.counters.refused, count);
                        let server = client.endpoint().authority();
                        tracing::warn!(
                            server,
                            samples = count,
                            problem = answer.complaint(),
                            "samples refused; given up"
                        );
                    }
                    Delivery::Stopped => return,
                }
            }
            if let Err(error) = self.reader.acknowledge(end) {
                tracing::warn!(
                    error = super::chain(&error),
                    "after a restart these samples will be sent again"
                );
            }
            self.counters.set_backlog(self.reader.backlog());
        }
    }

    /// Fills the batch; where it ends, or `None` when there is nothing to ship.
    fn gather(&mut self) -> Result<Option<Position>, SpoolError> {
        let mut end = None;
        loop {
            let next = match self.held.take() {
                Some(next) => next,
                None => match self.reader.read(&mut self.payload)? {
                    Some(record) => record.end,
                    None => break,
                },
            };
            let renames = TickDecoder::renames(&self.payload);
            if renames && !self.batch.is_empty() {
                self.held = Some(next);
                break;
            }
            if self.lost && !TickDecoder::is_first(&self.payload) {
                end = Some(next);
                continue;
            }
            self.lost = false;
            match self.decoder.decode(&self.payload) {
                Ok(_) if next <= self.known => {}
                Ok(stamp) => {
                    self.batch.push(stamp, &self.decoder);
                    end = Some(next);
                }
                Err(error) => {
                    tracing::warn!(%error, "a tick in the queue does not read; its segment is passed over");
                    self.lost = true;
                    end = Some(next);
                }
            }
            if self.batch.is_full() {
                break;
            }
        }
        Ok(end)
    }
}
