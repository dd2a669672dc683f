//! Measurements on their way to the lake: who they come from, and how they are stored.
//!
//! Telemetry belongs to the whole estate: any token that may send it may send any series. Two labels are not the sender's to
//! choose: an agent's samples always carry its own `node`, and those of a token of one project that `project`.

use lepton_api::otlp::{self, ExportMetricsServiceRequest, Rejected};
use lepton_api::remote_write::{DecodeError, Label, Limits, Protocol, Scratch, decode};
use lepton_lake::{AppendError, Appended, Batch};
use lepton_model::Name;
use tokio::sync::oneshot;

use crate::app::App;
use crate::auth::Caller;
use crate::clock;
use crate::http::Fail;

/// What the credential says about where samples come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    node: Option<Name>,
    project: Option<Name>,
}

impl Origin {
    pub fn of(caller: &Caller) -> Self {
        Self { node: caller.node.clone(), project: caller.project.clone() }
    }

    /// Labels that every series gets.
    pub fn forced(&self) -> impl Iterator<Item = (&str, &str)> {
        let node = self.node.as_ref().map(|node| ("node", node.as_str()));
        let project = self.project.as_ref().map(|project| ("project", project.as_str()));
        node.into_iter().chain(project)
    }

    /// Adds a series to the batch with the forced labels in place of the sender's.
    fn series(&self, batch: &mut Batch, labels: &mut [Label<'_>]) -> Result<(), lepton_lake::LabelError> {
        let right = self.forced().all(|(name, value)| labels.contains(&(name.as_bytes(), value.as_bytes())));
        if right {
            return batch.series_raw(labels);
        }
        let forced = || self.forced().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let theirs = labels.iter().copied().filter(|(name, _)| !forced().any(|(own, _)| own == *name));
        batch.series_raw(&mut theirs.chain(forced()).collect::<Vec<_>>())
    }
}

/// A remote-write request, read.
pub(crate) struct Written {
    pub batch: Batch,
    /// Samples of series with unusable labels.
    pub unusable: u64,
    /// The first of them.
    pub first_problem: Option<String>,
    /// Native histograms, which the lake does not keep.
    pub histograms: u64,
}

/// Reads a remote-write request of at most `limit` bytes after decompression.
pub(crate) fn read_remote_write(
    mut batch: Batch,
    origin: &Origin,
    protocol: Protocol,
    body: &[u8],
    limit: u64,
) -> Result<Written, Fail> {
    let limits = Limits { decompressed: usize::try_from(limit).unwrap_or(usize::MAX), ..Limits::default() };
    let (mut unusable, mut first_problem) = (0, None);
    let visit = |labels: &mut [Label<'_>], samples: &[(i64, f64)]| match origin.series(&mut batch, labels) {
        Ok(()) => samples.iter().for_each(|(at, value)| batch.sample(*at, *value)),
        Err(error) => {
            unusable += samples.len() as u64;
            first_problem.get_or_insert_with(|| error.to_string());
        }
    };
    let decoded =
        decode(protocol, body, &limits, &mut Scratch::default(), visit).map_err(|error| match error {
            DecodeError::TooLarge { unit: "bytes", limit, .. } => Fail::too_large(limit as u64),
            error => Fail::malformed(error),
        })?;
    Ok(Written { batch, unusable, first_problem, histograms: decoded.histograms })
}

/// Adds an OTLP request's data points to the batch.
pub(crate) fn read_otlp(
    request: &ExportMetricsServiceRequest,
    origin: &Origin,
    batch: &mut Batch,
) -> Rejected {
    otlp::read(request, |labels, at, value| {
        origin.series(batch, labels).map_err(|error| error.to_string())?;
        batch.sample(at, value);
        Ok(())
    })
}

/// Hands a batch to the lake and returns once it is on disk.
pub(crate) async fn store(app: &App, batch: &Batch) -> Result<Appended, Fail> {
    let (done, outcome) = oneshot::channel();
    app.lake.append_with(batch, clock::now().as_millis(), move |result| {
        // The request may have ended meanwhile; the samples are stored all the same.
        let _ = done.send(result);
    })?;
    let stopped = |_| Fail::from(AppendError::Log("the lake was closed".to_owned()));
    let appended = outcome.await.map_err(stopped)??;
    app.metrics.samples.inc_by(appended.accepted);
    Ok(appended)
}
