//! Commands of exec probes and of runbooks: run, limited in time, judged by their exit code.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use lepton_model::Period;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use crate::supervise::{Credentials, Ended, Launch, Process, launch};

/// How much of the end of a command's output is kept.
const OUTPUT: usize = 2 << 10;
/// Time for the output of a process that has ended; its children may hold the pipe open for ever.
const DRAIN: Duration = Duration::from_millis(50);

/// A command to run.
pub(crate) struct Exec<'a> {
    pub(crate) command: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) dir: &'a Path,
    pub(crate) user: Option<&'a Credentials>,
    /// Killed, with its process group, after this time.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// It could not be started.
    NotStarted(String),
    /// It ran into its limit and was killed.
    TimedOut(Duration),
    /// It ended, having said this last.
    Ended(Ended, String),
}

impl Output {
    /// In words; `Ok` when its exit code was 0.
    pub(crate) fn summary(self) -> Result<String, String> {
        match self {
            Self::NotStarted(problem) => Err(problem),
            Self::TimedOut(limit) => Err(format!("still ran after {} and was killed", Period::from(limit))),
            Self::Ended(ended, said) => {
                let how = match ended {
                    Ended { signal: Some(signal), .. } => format!("killed by signal {signal}"),
                    Ended { code: Some(code), .. } => format!("exit code {code}"),
                    Ended { code: None, signal: None } => "ended".to_owned(),
                };
                let text = if said.is_empty() { how } else { format!("{how}: {said}") };
                if ended.code == Some(0) { Ok(text) } else { Err(text) }
            }
        }
    }
}

/// Kills a command whose probe is dropped midway.
struct Running(Option<Process>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            process.signal_group(Signal::KILL);
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    process.ended().await;
                    process.reap().await;
                });
            }
        }
    }
}

/// Runs a command to its end.
pub(crate) async fn run(exec: Exec<'_>) -> Output {
    let refused = |error: std::io::Error| {
        Output::NotStarted(format!("{} cannot be run: {error}", exec.command.first().map_or("", |c| c)))
    };
    let started = std::io::pipe().and_then(|(reader, writer)| {
        let pid = launch(Launch {
            command: exec.command,
            env: exec.env,
            dir: exec.dir,
            user: exec.user,
            stdout: writer.try_clone()?.into(),
            stderr: writer.into(),
            groups: Vec::new(),
            record: None,
        })?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok((Process::child(pid)?, reader))
    });
    let (process, mut reader) = match started {
        Ok(started) => started,
        Err(error) => return refused(error),
    };
    let mut running = Running(Some(process));
    let mut said = Vec::new();
    if let Some(process) = &running.0 {
        let ended = tokio::time::timeout(exec.limit, async {
            // Read on while it runs, or it would block on a full pipe.
            tokio::select! {
                () = process.ended() => {}
                () = tail(&mut reader, &mut said) => process.ended().await,
            }
        });
        if ended.await.is_err() {
            return Output::TimedOut(exec.limit);
        }
        let _ = tokio::time::timeout(DRAIN, tail(&mut reader, &mut said)).await;
        // Its children go with it, while its number is still taken.
        process.signal_group(Signal::KILL);
    }
    let ended = match running.0.take() {
        Some(process) => process.reap().await,
        None => Ended::default(),
    };
    Output::Ended(ended, String::from_utf8_lossy(&said).trim().replace('\n', " · "))
}

/// Reads to the end, keeping the last of it.
async fn tail(reader: &mut pipe::Receiver, said: &mut Vec<u8>) {
    let mut piece = [0; 512];
    while let Ok(read) = reader.read(&mut piece).await {
        if read == 0 {
            return;
        }
        said.extend_from_slice(piece.get(..read).unwrap_or_default());
        let surplus = said.len().saturating_sub(OUTPUT);
        said.drain(..surplus);
    }
}
