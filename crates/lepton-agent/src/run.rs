//! Putting the parts together, and taking them apart in order.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lepton_api::remote_write::Protocol;
use lepton_model::{Facts, Name, Period, Resources, TimelineEntry};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Client, Endpoint, EndpointError, Tls, TlsError};
use crate::collect::{Collector, Pulse, Ticker, Usage};
use crate::config::{AgentConfig, RemoteWrite, RemoteWriteVersion};
use crate::link::{
    Caller, Credential, CredentialError, Introduction, Link, LinkError, Ports, is_refused, join,
};
use crate::report::Reporter;
use crate::ship::{self, EventQueue, EventShipper, SampleShipper, ShipCounters, Target, Token};
use crate::spool::{self, Reader, SpoolConfig, SpoolError, Writer};
use crate::supervise::{Clock, Contact, StateError, Supervisor, SupervisorConfig, SystemClock};

/// Timeline entries on their way to the disk.
const EVENTS: usize = 4_096;

/// A lease, until the server has said its own.
const LEASE: Duration = Duration::from_secs(15);

/// Time that ending may take, after which whatever still runs is left behind.
const GRACE: Duration = Duration::from_secs(5);

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state folder cannot be used.
    #[error("the state folder {0}")]
    State(PathBuf, #[source] std::io::Error),
    /// Another agent has it.
    #[error("another agent runs on {0}")]
    Running(PathBuf),
    /// The host name is none that a node could have.
    #[error("this host has no usable name; give the node one with --name")]
    NoName,
    /// The disk queue cannot be opened.
    #[error("the disk queue")]
    Spool(#[from] SpoolError),
    /// An address that is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// TLS is wanted and cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The credential is there and cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Not joined, and nothing to join with.
    #[error(
        "this node has not joined {0} yet; make a join token there, put it into a file, and name it with --join-token-file"
    )]
    NoJoinToken(String),
    /// The file with the join token cannot be read.
    #[error("the join token's file {0}")]
    JoinToken(PathBuf, #[source] std::io::Error),
    /// The server will not have this node.
    #[error("cannot join")]
    Join(#[source] LinkError),
    /// The supervisor's state cannot be used.
    #[error(transparent)]
    Supervise(#[from] StateError),
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// Runs the agent until `stop` is cancelled. Services keep running unless the configuration says otherwise.
///
/// # Errors
/// It cannot start. Once started, it does not fail: it waits, retries and says what is wrong.
pub async fn run(config: AgentConfig, stop: CancellationToken) -> Result<(), AgentError> {
    let _lock = lock(&config.state_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let facts = crate::facts::facts(&config.roots);
    let capacity = crate::facts::capacity(&config.roots, &config.state_dir);
    let credential = Credential::load(&config.state_dir)?;
    let node = match &credential {
        Some(credential) => credential.node.clone(),
        None => config.name.clone().or_else(|| Name::nearest(&facts.hostname)).ok_or(AgentError::NoName)?,
    };
    let receivers = Receivers::new(&config)?;
    let (entries, received) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(node.clone(), Arc::clone(&clock), entries.clone());
    let supervisor = Arc::new(OnceLock::new());

    let samples = open_samples(&config, &receivers)?;
    let (events, event_readers) = open_queue(&config, "events", config.spool.events.get(), &["server"])?;
    let event_counters = Arc::new(ShipCounters::default());
    let tasks = TaskTracker::new();
    let queue_task = match &receivers.server {
        Some(_) => tokio::spawn(EventQueue::new(events, received, Arc::clone(&event_counters)).run()),
        None => tokio::spawn(log_events(received)),
    };
    let heart = start_collector(
        &config,
        facts.clone(),
        &supervisor,
        samples.writer,
        samples.counters.clone(),
        &event_counters,
        &clock,
        &reporter,
    )?;

    let labels = |extra: &lepton_model::Labels| {
        let own = ("node".to_owned(), node.to_string());
        extra.iter().map(|(key, value)| (key.clone(), value.clone())).chain([own]).collect::<Vec<_>>()
    };
    let mut readers = samples.readers.into_iter().zip(samples.counters);
    let server_reader = receivers.server.as_ref().and_then(|_| readers.next());
    for ((client, target), (reader, (_, counters))) in receivers.others.iter().zip(readers) {
        let target = Target {
            client: Arc::clone(client),
            path: if client.endpoint().path().is_empty() {
                "/".to_owned()
            } else {
                client.endpoint().path().to_owned()
            },
            protocol: match target.version {
                RemoteWriteVersion::V1 => Protocol::V1,
                RemoteWriteVersion::V2 => Protocol::V2,
            },
            token: target.bearer_token_file.clone().map_or(Token::None, Token::File),
            labels: labels(&target.labels),
            timeout: ship::TIMEOUT,
        };
        tasks.spawn(SampleShipper::new(reader, target, counters).run(stop.clone()));
    }

    let started = match (&receivers.server, server_reader) {
        (Some(client), Some((reader, (_, counters)))) => {
            let home = Home { client, clock: &clock, node: node.clone(), facts, capacity, entries, reporter };
            match home.connect(&config, credential, &tasks, &stop).await {
                Ok((caller, node, opened)) => {
                    let _ = supervisor.set(opened);
                    let target = Target {
                        client: Arc::clone(client),
                        path: "/v1/telemetry/prometheus".to_owned(),
                        protocol: Protocol::V2,
                        token: Token::Fixed(Arc::clone(&caller.token)),
                        labels: vec![("node".to_owned(), node.to_string())],
                        timeout: ship::TIMEOUT,
                    };
                    tasks.spawn(SampleShipper::new(reader, target, counters).run(stop.clone()));
                    for reader in event_readers {
                        let shipper = EventShipper::new(
                            reader,
                            Arc::clone(client),
                            Token::Fixed(Arc::clone(&caller.token)),
                            node.clone(),
                            Arc::clone(&event_counters),
                        );
                        tasks.spawn(shipper.run(stop.clone()));
                    }
                    Ok(())
                }
                Err(_) if stop.is_cancelled() => Ok(()),
                Err(error) => Err(error),
            }
        }
        _ => {
            drop((entries, reporter));
            Ok(())
        }
    };
    if started.is_ok() {
        stop.cancelled().await;
    }
    stop.cancel();

    // In the order data flows: nothing new is measured, nothing new happens, what happened is on disk.
    heart.stop().await;
    if let Some(supervisor) = supervisor.get() {
        supervisor.shutdown(!config.stop_services).await;
    }
    drop(supervisor);
    tasks.close();
    let ended = async {
        tasks.wait().await;
        let _ = queue_task.await;
    };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    started
}

/// Keeps a second agent off the state folder for as long as the file is open.
fn lock(folder: &Path) -> Result<File, AgentError> {
    let fail = |error| AgentError::State(folder.to_path_buf(), error);
    std::fs::create_dir_all(folder).map_err(fail)?;
    let file = File::create(folder.join("agent.lock")).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AgentError::Running(folder.to_path_buf())),
        Err(std::fs::TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// Who gets data.
struct Receivers {
    server: Option<Arc<Client>>,
    others: Vec<(Arc<Client>, RemoteWrite)>,
}

impl Receivers {
    fn new(config: &AgentConfig) -> Result<Self, AgentError> {
        let mut tls = None;
        let mut client = |url: &str| -> Result<Arc<Client>, AgentError> {
            let endpoint = Endpoint::parse(url)?;
            if endpoint.is_tls() && tls.is_none() {
                // Only now: the machine's certificate authorities are a megabyte.
                tls = Some(Tls::new(config.ca_file.as_deref())?);
            }
            Ok(Client::new(endpoint, tls.clone()))
        };
        let server = config.server.as_deref().map(&mut client).transpose()?;
        let others = config
            .remote_write
            .iter()
            .map(|target| Ok((client(&target.url)?, target.clone())))
            .collect::<Result<_, AgentError>>()?;
        Ok(Self { server, others })
    }

    /// Names of their cursors: by address, so that adding one does not move the others.
    fn names(&self) -> Vec<String> {
        let other =
            |(_, target): &(_, RemoteWrite)| format!("remote-{:08x}", crc32fast::hash(target.url.as_bytes()));
        self.server.iter().map(|_| "server".to_owned()).chain(self.others.iter().map(other)).collect()
    }
}

struct Samples {
    writer: Writer,
    readers: Vec<Reader>,
    counters: Vec<(String, Arc<ShipCounters>)>,
}

fn open_samples(config: &AgentConfig, receivers: &Receivers) -> Result<Samples, AgentError> {
    let names = receivers.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (writer, readers) = open_queue(config, "samples", config.spool.samples.get(), &names)?;
    let authorities = receivers.server.iter().chain(receivers.others.iter().map(|(client, _)| client));
    let counters = authorities
        .map(|client| (client.endpoint().authority().to_owned(), Arc::new(ShipCounters::default())))
        .collect();
    Ok(Samples { writer, readers, counters })
}

fn open_queue(
    config: &AgentConfig,
    name: &str,
    max_bytes: u64,
    readers: &[&str],
) -> Result<(Writer, Vec<Reader>), SpoolError> {
    let segment_bytes = (max_bytes / 8).min(4 << 20);
    spool::open(&config.state_dir.join("spool").join(name), SpoolConfig { max_bytes, segment_bytes }, readers)
}

/// Without a server nobody keeps the timeline; the log does.
async fn log_events(mut received: mpsc::Receiver<TimelineEntry>) {
    while let Some(entry) = received.recv().await {
        tracing::info!(act = entry.act.as_str(), reason = entry.reason, "event");
    }
}

/// The collector's thread.
struct Heart {
    stop: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Heart {
    async fn stop(self) {
        drop(self.stop);
        let joined = tokio::task::spawn_blocking(move || self.thread.join());
        if tokio::time::timeout(GRACE, joined).await.is_err() {
            tracing::warn!("the collector is stuck and is left behind");
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn start_collector(
    config: &AgentConfig,
    facts: Facts,
    supervisor: &Arc<OnceLock<Supervisor>>,
    writer: Writer,
    targets: Vec<(String, Arc<ShipCounters>)>,
    events: &Arc<ShipCounters>,
    clock: &Arc<dyn Clock>,
    reporter: &Reporter,
) -> Result<Heart, AgentError> {
    let supervisor = Arc::downgrade(supervisor);
    let usage: Usage = Arc::new(move || {
        let supervisor = supervisor.upgrade();
        supervisor.as_ref().and_then(|slot| slot.get()).map(Supervisor::usage).unwrap_or_default()
    });
    let seed = u64::from(crc32fast::hash(facts.machine_id.as_bytes()))
        ^ u64::from(crc32fast::hash(facts.hostname.as_bytes()));
    let counters = targets.first().map_or_else(Arc::default, |(_, counters)| Arc::clone(counters));
    let shown = targets.into_iter().chain([("events".to_owned(), Arc::clone(events))]).collect();
    let usage = config.server.as_ref().map(|_| usage);
    let pulse = Pulse {
        collector: Collector::new(&config.roots, facts, config.max_series, usage, shown),
        ticker: Ticker::new(config.interval.duration(), seed),
        writer,
        clock: Arc::clone(clock),
        reporter: reporter.clone(),
        counters,
    };
    let (stop, stopped) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("collect".to_owned())
        .stack_size(512 << 10)
        .spawn(move || pulse.run(&stopped))
        .map_err(AgentError::Thread)?;
    Ok(Heart { stop, thread })
}

/// Longest time for joining anew.
const JOIN_ANEW: Duration = Duration::from_secs(10);

/// What it takes to get home.
struct Home<'a> {
    client: &'a Arc<Client>,
    clock: &'a Arc<dyn Clock>,
    node: Name,
    facts: Facts,
    capacity: Resources,
    entries: mpsc::Sender<TimelineEntry>,
    reporter: Reporter,
}

impl Home<'_> {
    /// The credential, or a new one when the server has none of it and there is a token to join with. When that fails the
    /// old one is kept: services are looked after whatever the server says.
    async fn renewed(&self, known: Credential, config: &AgentConfig, stop: &CancellationToken) -> Credential {
        let may_join = config.join_token.is_some() || config.join_token_file.is_some();
        if !may_join || !is_refused(self.client, &known).await {
            return known;
        }
        tracing::warn!(node = %known.node, "the server refuses this agent's credential; joining anew");
        // Services wait for this to end, so it does end.
        match tokio::time::timeout(JOIN_ANEW, self.join(config, stop)).await {
            Ok(Ok(credential)) => return credential,
            Ok(Err(error)) => {
                tracing::error!(error = crate::ship::chain(&error), "cannot join anew; working on alone");
            }
            Err(_) => tracing::error!("cannot join anew in time; working on alone"),
        }
        known
    }

    async fn join(&self, config: &AgentConfig, stop: &CancellationToken) -> Result<Credential, AgentError> {
        let introduction = Introduction {
            name: self.node.clone(),
            labels: config.labels.clone(),
            facts: self.facts.clone(),
            capacity: self.capacity.clone(),
        };
        let token = join_token(config)?;
        let report = join(self.client, &token, introduction, stop).await.map_err(AgentError::Join)?;
        let credential = Credential {
            server: config.server.clone().unwrap_or_default(),
            node: report.node,
            token: report.token,
            lease: report.lease,
        };
        credential.save(&config.state_dir)?;
        tracing::info!(node = %credential.node, "joined");
        Ok(credential)
    }

    /// Joins unless it has, opens the supervisor and starts the link.
    async fn connect(
        self,
        config: &AgentConfig,
        credential: Option<Credential>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(Caller, Name, Supervisor), AgentError> {
        let credential = match credential {
            Some(known) => self.renewed(known, config, stop).await,
            None => self.join(config, stop).await?,
        };
        let Self { client, clock, facts, capacity, entries, reporter, .. } = self;
        let Credential { node, token, lease, .. } = credential;
        let lease = if lease == Period::default() { LEASE } else { lease.duration() };
        let (contact, reachable) = watch::channel(Contact::never(lease));
        let supervisor = Supervisor::open(
            SupervisorConfig {
                state_dir: config.state_dir.clone(),
                node: node.clone(),
                clock: Arc::clone(clock),
                cgroups: config.cgroups,
            },
            entries,
            reachable,
        )
        .await?;
        let caller = Caller { client: Arc::clone(client), token: token.into() };
        let link = Link {
            caller: caller.clone(),
            node: node.clone(),
            supervisor: supervisor.clone(),
            clock: Arc::clone(clock),
            contact,
            reporter,
            facts,
            capacity,
            ports: Ports::new(&config.roots.proc),
            conditions: parking_lot::Mutex::default(),
        };
        link.start(tasks, stop);
        Ok((caller, node, supervisor))
    }
}

fn join_token(config: &AgentConfig) -> Result<String, AgentError> {
    match (&config.join_token, &config.join_token_file) {
        (Some(token), _) => Ok(token.0.clone()),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(AgentError::JoinToken(path.clone(), error)),
        },
        (None, None) => Err(AgentError::NoJoinToken(config.server.clone().unwrap_or_default())),
    }
}
