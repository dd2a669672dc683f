//! How the server is set up; parsed and checked whole before a port is bound.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lepton_model::{Bytes, Exchange, FieldErrors, Period};
use serde::{Deserialize, Serialize};

/// Configuration of a server. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Folder of everything the server keeps: `server/lepton.db`, `server/lake/`, `server/backups/`, `admin.token`.
    pub data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key; without them plain HTTP is spoken.
    pub tls: Option<TlsConfig>,
    /// Allows plain HTTP on an address that others can reach.
    pub insecure: bool,
    /// A node without contact for this long is lost.
    pub lease: Period,
    /// Time that requests get to end when the server stops.
    pub drain: Period,
    /// What one request or client may take.
    pub limits: LimitsConfig,
    /// What is kept, and how long.
    pub history: HistoryConfig,
    /// Measurements.
    pub lake: LakeSettings,
    /// What money of one currency is worth in another.
    pub exchange: Exchange,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Limits that keep one client from starving the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest body of `apply` and `plan`.
    pub apply_body: Bytes,
    /// Largest body of a telemetry request, as sent and after decompression.
    pub telemetry_body: Bytes,
    /// Largest price list.
    pub offers_body: Bytes,
    /// Largest body of every other request.
    pub body: Bytes,
    /// Connections at once.
    pub connections: usize,
    /// Requests at once, long polls and streams not counted.
    pub requests: usize,
    /// Watches and log readers at once.
    pub streams: usize,
    /// Time for an ordinary request.
    pub request_time: Period,
    /// Changes per second and token; bursts of four seconds' worth are allowed.
    pub changes_per_second: u32,
    /// Time for one SQL statement.
    pub sql_time: Period,
    /// Rows of one SQL result.
    pub sql_rows: usize,
}

/// What is forgotten when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryConfig {
    /// Time between two rounds of forgetting.
    pub every: Period,
    /// Age of timeline entries.
    pub timeline: Period,
    /// Age of changes that a watch can start from.
    pub changes: Period,
    /// Plans kept.
    pub plans: usize,
    /// Age of resolved incidents.
    pub incidents: Period,
    /// Age of finished jobs.
    pub jobs: Period,
    /// Age of tokens that are used up, expired or revoked.
    pub tokens: Period,
}

/// The lake's most used settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeSettings {
    /// Memory for recent samples; past it telemetry is answered with 429.
    pub memory: Bytes,
    /// Age of raw samples.
    pub retention: Period,
    /// Size of all measurements on disk past which the oldest go; no limit when absent.
    pub retention_bytes: Option<Bytes>,
}

const fn days(days: u64) -> Period {
    Period::from_secs(days * 86_400)
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from(".lepton"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7700)),
            tls: None,
            insecure: false,
            lease: Period::from_secs(15),
            drain: Period::from_secs(10),
            limits: LimitsConfig::default(),
            history: HistoryConfig::default(),
            lake: LakeSettings::default(),
            exchange: Exchange::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            apply_body: Bytes::mebi(8),
            telemetry_body: Bytes::mebi(32),
            offers_body: Bytes::mebi(32),
            body: Bytes::mebi(4),
            connections: 110_000,
            requests: 1_024,
            streams: 4_096,
            request_time: Period::from_secs(60),
            changes_per_second: 50,
            sql_time: Period::from_secs(20),
            sql_rows: 10_000,
        }
    }
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            every: Period::from_secs(60),
            timeline: days(90),
            changes: days(1),
            plans: 1_000,
            incidents: days(90),
            jobs: days(30),
            tokens: days(30),
        }
    }
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self { memory: Bytes::mebi(96), retention: days(15), retention_bytes: None }
    }
}

impl ServerConfig {
    /// Everything wrong with it, by field.
    ///
    /// # Errors
    /// All mistakes together.
    pub fn validate(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        let millis = |period: Period| period.duration().as_millis();
        let local = self.listen.ip().is_loopback();
        errors.require(
            local || self.tls.is_some() || self.insecure,
            "listen",
            format!(
                "{} can be reached by others and there is no TLS; set tls.certificate and tls.key, listen on 127.0.0.1, \
                 or set insecure = true",
                self.listen
            ),
        );
        errors.require(!self.data.as_os_str().is_empty(), "data", "must name a folder");
        errors.require(
            (500..=3_600_000).contains(&millis(self.lease)),
            "lease",
            "must be between 500ms and 1h; 15s suits most networks",
        );
        errors.require(millis(self.drain) <= 600_000, "drain", "must be at most 10m");
        let limits = &self.limits;
        let sizes = [
            ("limits.body", limits.body),
            ("limits.apply_body", limits.apply_body),
            ("limits.telemetry_body", limits.telemetry_body),
            ("limits.offers_body", limits.offers_body),
        ];
        for (field, size) in sizes {
            let sound = (4_096..=1 << 30).contains(&size.get());
            errors.require(sound, field, "must be between 4Ki and 1Gi");
        }
        for (field, count) in [
            ("limits.connections", limits.connections),
            ("limits.requests", limits.requests),
            ("limits.streams", limits.streams),
            ("limits.sql_rows", limits.sql_rows),
        ] {
            errors.require((1..=1_000_000).contains(&count), field, "must be 1 to 1000000");
        }
        errors.require(limits.changes_per_second >= 1, "limits.changes_per_second", "must be at least 1");
        for (field, period) in [
            ("limits.request_time", limits.request_time),
            ("limits.sql_time", limits.sql_time),
            ("history.every", self.history.every),
        ] {
            errors.require(
                (100..=3_600_000).contains(&millis(period)),
                field,
                "must be between 100ms and 1h",
            );
        }
        for (field, period) in [
            ("history.timeline", self.history.timeline),
            ("history.changes", self.history.changes),
            ("history.incidents", self.history.incidents),
            ("history.jobs", self.history.jobs),
            ("history.tokens", self.history.tokens),
        ] {
            errors.require(millis(period) >= 60_000, field, "must be at least 1m");
        }
        errors.require(self.history.plans >= 1, "history.plans", "must be at least 1");
        errors.require(
            (Bytes::mebi(1)..=Bytes::mebi(1 << 20)).contains(&self.lake.memory),
            "lake.memory",
            "must be between 1Mi and 1Ti",
        );
        errors.require(self.lake.retention >= days(1), "lake.retention", "must be at least 1d");
        self.exchange.validate(&mut errors);
        errors.into_result()
    }
}
