//! A server from start to end.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lepton_lake::{Lake, LakeConfig};
use lepton_model::{Act, Actor, Key, Kind, Labels, Name, Role, Subject, TokenSpec};
use lepton_sql::{SqlConfig, SqlDoor};
use lepton_store::{Change, Expect, SqliteConfig, SqliteStore, Store, Transaction};
use tokio::sync::Semaphore;

use crate::agents::Agents;
use crate::app::{App, Parts};
use crate::auth::{Credentials, Secret};
use crate::config::ServerConfig;
use crate::error::ServeError;
use crate::listen::Listener;
use crate::metrics::Metrics;
use crate::offers::Offers;
use crate::reconcile::{self, Reconcilers};
use crate::tasks::{Stage, TaskKind, Tasks};
use crate::view::View;
use crate::{clock, http, record, tables};

/// Time that reconcilers get to end their run.
const BACKGROUND_TIME: Duration = Duration::from_secs(5);

/// A server that runs.
pub struct RunningServer {
    app: App,
    address: SocketAddr,
}

impl RunningServer {
    /// Opens everything, binds the port and begins to serve.
    ///
    /// # Errors
    /// [`ServeError`], before anything was bound where the configuration is wrong.
    pub async fn start(config: ServerConfig) -> Result<Self, ServeError> {
        config.validate().map_err(ServeError::Config)?;
        let folder = config.data.join("server");
        for dir in [&folder, &folder.join("backups"), &config.data.join("secrets")] {
            std::fs::create_dir_all(dir).map_err(ServeError::file("create", dir))?;
        }
        // Port first: a server that is running already is found out before its files are touched.
        let listener = Listener::bind(config.listen, config.tls.as_ref()).await?;
        let address = listener.address;
        let app = open(config, &folder)?;
        let from = View::load(&app).await.map_err(|error| ServeError::Store(error.to_string()))?;
        ensure_admin(&app).await?;
        app.tasks.spawn(TaskKind::View, View::follow(app.clone(), from));
        reconcile::start(&app);
        let router = http::router(&app);
        let most = app.config.limits.connections;
        app.tasks.spawn(TaskKind::Accept, listener.serve(router, app.tasks.clone(), most));
        tracing::info!(%address, "serving");
        Ok(Self { app, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:7700`
    pub fn url(&self) -> String {
        let scheme = if self.app.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The file with the first administrator's token.
    pub fn admin_token_path(&self) -> PathBuf {
        admin_token_path(&self.app.config)
    }

    /// Ends in order: no new connections; long polls and streams answer; requests are drained; reconcilers end; the lake
    /// and the store are closed. Takes at most `drain` and a few seconds.
    pub async fn shutdown(self) {
        let Self { app, .. } = self;
        let began = Instant::now();
        app.tasks.end(Stage::Accept, Duration::from_secs(1)).await;
        app.waits.cancel();
        let drained = app.tasks.end(Stage::Request, app.config.drain.duration()).await;
        let ended = app.tasks.end(Stage::Background, BACKGROUND_TIME).await;
        // The last clone of the lake syncs its log; what was acknowledged is on disk already.
        let tasks = app.tasks.clone();
        let _ = crate::tasks::blocking(move || drop(app)).await;
        let took = began.elapsed();
        tracing::info!(drained, ended, panics = tasks.panics(), ms = took.as_millis(), "stopped");
    }
}

/// Serves until `shutdown` is ready, then ends in order.
///
/// # Errors
/// When the server cannot start.
pub async fn serve(config: ServerConfig, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let server = RunningServer::start(config).await?;
    shutdown.await;
    server.shutdown().await;
    Ok(())
}

fn open(config: ServerConfig, folder: &Path) -> Result<App, ServeError> {
    // Webhooks are told over TLS too; whoever embeds the server may have chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = SqliteStore::open(&folder.join("lepton.db"), &SqliteConfig::default())
        .map_err(|error| ServeError::Store(error.to_string()))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let lake = Lake::open(lake_config(&config, folder))?;
    let http_client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ServeError::Tls(error.to_string()))?;
    let agents = Arc::new(Agents::default());
    let offers = Arc::new(Offers::open(folder)?);
    let reconcilers = Arc::new(Reconcilers::new(server_id(folder)?));
    let limits = SqlConfig {
        time: config.limits.sql_time.duration(),
        rows: config.limits.sql_rows,
        ..SqlConfig::default()
    };
    let sql = SqlDoor::new(Arc::clone(&store), lake.clone(), limits)
        .with_table(tables::reconcilers(&reconcilers))
        .with_table(tables::agents(&agents))
        .with_table(tables::offers(&offers));
    Ok(App::new(Parts {
        started_at: clock::now(),
        store,
        lake,
        sql,
        view: View::default(),
        offers,
        credentials: Credentials::default(),
        agents,
        reconcilers,
        metrics: Metrics::default(),
        tasks: Tasks::default(),
        waits: tokio_util::sync::CancellationToken::new(),
        requests: Semaphore::new(config.limits.requests),
        streams: Arc::new(Semaphore::new(config.limits.streams)),
        http_client,
        config,
    }))
}

fn lake_config(config: &ServerConfig, folder: &Path) -> LakeConfig {
    let mut lake = LakeConfig::new(folder.join("lake"));
    lake.head_limit = usize::try_from(config.lake.memory.get()).unwrap_or(usize::MAX);
    lake.retention = config.lake.retention.duration();
    lake.retention_bytes = config.lake.retention_bytes.map(lepton_model::Bytes::get);
    for tier in &mut lake.tiers {
        tier.retention = tier.retention.max(lake.retention);
    }
    lake
}

/// This server's name towards leases: made once, so that it finds its own lease again after a restart.
fn server_id(folder: &Path) -> Result<String, ServeError> {
    let path = folder.join("server.id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(ServeError::file("read", path)(error)),
    }
    let id = clock::request_id();
    std::fs::write(&path, &id).map_err(ServeError::file("write", path))?;
    Ok(id)
}

fn admin_token_path(config: &ServerConfig) -> PathBuf {
    config.data.join("admin.token")
}

/// Makes the first administrator's token when nobody could administer otherwise. Its secret goes to a file that only the
/// owner of the data folder can read, and nowhere else.
async fn ensure_admin(app: &App) -> Result<(), ServeError> {
    let now = clock::now();
    if app.credentials.has_admin(now) {
        return Ok(());
    }
    let store = |error: &dyn std::fmt::Display| ServeError::Store(error.to_string());
    let secret = Secret::new().map_err(|error| store(&error))?;
    let name = Name::new("admin").map_err(|error| store(&error))?;
    let token = TokenSpec {
        name,
        hash: secret.stored(),
        role: Role::Admin,
        project: None,
        node: None,
        expires_at: None,
        description: "made at the first start; its secret is in admin.token".to_owned(),
    };
    let id = Name::new(clock::token_id().to_string()).map_err(|error| store(&error))?;
    let key = Key::of_estate(Kind::Token, id);
    // The file first: a token whose secret was lost could not be used, and would keep another from being made.
    write_secret(&admin_token_path(&app.config), &secret.reveal())?;
    let spec = serde_json::to_value(&token).map_err(|error| store(&error))?;
    let reason = "first start: nobody could administer this server";
    let actor = Actor::reconciler("first_start");
    let entry = record::entry(now, actor, Act::TokenCreate, Subject::from(key.clone()), reason);
    let put = Change::PutSpec { key, uid: clock::uid(), labels: Labels::new(), spec, expect: Expect::Absent };
    let transaction = Transaction { changes: vec![put], timeline: vec![entry], fence: None };
    let report = app.store.commit(now, transaction).await.map_err(|error| store(&error))?;
    if let Some(token) = report.objects.into_iter().flatten().next().and_then(|object| object.decode().ok()) {
        app.credentials.put(&token);
    }
    Ok(())
}

/// Writes `secret` to `path`, readable by its owner only, all or nothing.
fn write_secret(path: &Path, secret: &str) -> Result<(), ServeError> {
    let part = path.with_extension("part");
    let write = || {
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(secret.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(ServeError::file("write", path))
}
