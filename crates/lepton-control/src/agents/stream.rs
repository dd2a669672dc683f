//! Logs on demand: a reader waits here, the agent is told by its long poll, its upload is piped through.
//!
//! The pipe holds a few chunks; an upload that is faster than its reader waits. When either side goes, so does the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lepton_api::v1::LogRequest;
use lepton_model::{Name, ReplicaName};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::app::App;

/// Chunks held between an agent and a reader.
const PIPE: usize = 32;

/// The server's half of an upload.
pub(crate) struct Upload {
    pub chunks: mpsc::Sender<Bytes>,
    arrived: oneshot::Sender<()>,
}

impl Upload {
    /// Tells the reader that the agent has come; what is left is the pipe.
    pub fn begin(self) -> mpsc::Sender<Bytes> {
        let _ = self.arrived.send(());
        self.chunks
    }
}

/// Uploads that are awaited.
#[derive(Default)]
pub(crate) struct Uploads {
    last: AtomicU64,
    awaited: Mutex<HashMap<u64, (Name, Upload)>>,
}

impl Uploads {
    /// The upload that a node was asked for, once.
    pub fn take(&self, node: &Name, id: u64) -> Option<Upload> {
        let mut awaited = self.awaited.lock();
        match awaited.get(&id) {
            Some((asked, _)) if asked == node => awaited.remove(&id).map(|(_, upload)| upload),
            _ => None,
        }
    }
}

/// The reader's half. Dropping it takes the wish back.
pub(crate) struct LogReader {
    app: App,
    node: Name,
    id: u64,
    arrived: Option<oneshot::Receiver<()>>,
    chunks: mpsc::Receiver<Bytes>,
}

impl LogReader {
    /// Asks `node` for a replica's output.
    pub fn open(app: &App, node: &Name, replica: &ReplicaName, tail: u32, follow: bool) -> Self {
        let uploads = &app.agents.uploads;
        let id = uploads.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, chunks) = mpsc::channel(PIPE);
        let (arrived, arrival) = oneshot::channel();
        uploads.awaited.lock().insert(id, (node.clone(), Upload { chunks: sender, arrived }));
        let request = LogRequest { id, replica: replica.clone(), tail, follow };
        app.agents.change_streams(node, |streams| streams.push(request));
        Self { app: app.clone(), node: node.clone(), id, arrived: Some(arrival), chunks }
    }

    /// Waits until the agent has come. `false` when it will not.
    pub async fn arrived(&mut self) -> bool {
        match self.arrived.take() {
            Some(arrival) => arrival.await.is_ok(),
            None => true,
        }
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.chunks.recv().await
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.app.agents.uploads.awaited.lock().remove(&self.id);
        let id = self.id;
        self.app.agents.change_streams(&self.node, |streams| streams.retain(|stream| stream.id != id));
    }
}
