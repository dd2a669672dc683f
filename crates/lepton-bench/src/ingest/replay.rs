//! The recording, replayed as many nodes: a stream of remote-write requests.

use lepton_api::remote_write::{Encoder, Protocol};

use super::capture::Capture;

const INTERVAL: i64 = 10_000;

/// Makes requests, one node's tick each: all nodes' first tick, then all nodes' second.
pub(super) struct Replay<'a> {
    capture: &'a Capture,
    nodes: u64,
    ticks: u64,
    /// First instant of the replay, Unix milliseconds.
    start: i64,
    encoder: Encoder,
    at: u64,
    names: Vec<String>,
}

/// One request.
pub(super) struct Request<'a> {
    pub body: &'a [u8],
    /// When it would be sent.
    pub now: i64,
}

impl<'a> Replay<'a> {
    pub fn new(capture: &'a Capture, nodes: u64, ticks: u64, protocol: Protocol) -> Self {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| now.as_millis() as i64);
        // So that it ends now: peers refuse what is far from it.
        let start = (now / INTERVAL - ticks as i64 - 1) * INTERVAL;
        let names = (0..nodes).map(|node| format!("node-{node:05}")).collect();
        Self { capture, nodes, ticks, start, encoder: Encoder::new(protocol), at: 0, names }
    }

    pub fn samples(&self) -> u64 {
        self.nodes * self.ticks * self.capture.series.len() as u64
    }

    pub fn protocol(&self) -> Protocol {
        self.encoder.protocol()
    }

    /// The last instant of the replay.
    pub fn end(&self) -> i64 {
        self.start + (self.ticks as i64 + 1) * INTERVAL
    }

    pub fn next(&mut self) -> Option<Request<'_>> {
        let (tick, node) = (self.at / self.nodes, self.at % self.nodes);
        if tick >= self.ticks {
            return None;
        }
        self.at += 1;
        let recorded = self.capture.ticks.len() as u64;
        let position = tick + node * 37;
        let (lap, row) = (position / recorded, position % recorded);
        let values = self.capture.ticks.get(row as usize)?;
        let (first, last) = (self.capture.ticks.first()?, self.capture.ticks.last()?);
        let now = self.start + tick as i64 * INTERVAL + (node * 7919 % INTERVAL as u64) as i64;
        let name = self.names.get(node as usize)?;
        let mut labels: Vec<(&str, &str)> = Vec::with_capacity(8);
        for (at, series) in self.capture.series.iter().enumerate() {
            let value = |row: &[f64]| row.get(at).copied().unwrap_or(f64::NAN);
            let mut sample = value(values);
            if series.counter {
                let own = (node * 7_919 + at as u64 * 104_729) % 1_000_003;
                sample += lap as f64 * (value(last) - value(first)) + own as f64;
            }
            labels.clear();
            labels.extend(series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let place = labels.partition_point(|(name, _)| *name < "node");
            labels.insert(place, ("node", name));
            self.encoder.series(&labels, &[(now, sample)]);
        }
        Some(Request { body: self.encoder.finish(), now })
    }
}
