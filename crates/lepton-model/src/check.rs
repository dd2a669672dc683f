//! Health checks of a service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Name, Period};

/// No service goes unchecked for longer than this, whatever interval was asked for.
pub const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// How one aspect of a service's health is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Unique within the service.
    pub name: Name,
    /// What is done.
    pub probe: Probe,
    /// Time between the starts of two probes; 10 s by default, at most five minutes in effect.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// A probe that takes longer has failed; 2 s by default.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Failures in a row that make it unhealthy; 3 by default.
    #[serde(default = "default_failures")]
    pub failures: u32,
    /// Successes in a row that make it healthy again; 1 by default.
    #[serde(default = "default_successes")]
    pub successes: u32,
}

fn default_interval() -> Period {
    Period::from_secs(10)
}
fn default_timeout() -> Period {
    Period::from_secs(2)
}
fn default_failures() -> u32 {
    3
}
fn default_successes() -> u32 {
    1
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// GET a path on the loopback address; healthy on an expected status.
    Http(HttpProbe),
    /// Open a TCP connection to a port on the loopback address.
    Tcp {
        /// Name of a port of the service.
        port: Name,
    },
    /// Run a command; healthy on exit code 0.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// The process is alive.
    Process {},
}

/// An HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpProbe {
    /// Name of a port of the service.
    pub port: Name,
    /// Path and query; `/` by default.
    #[serde(default = "default_path")]
    pub path: String,
    /// Statuses that are healthy; any of 200 to 399 when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect_status: Vec<u16>,
    /// Text that the first 64 KiB of the body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// Request headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

fn default_path() -> String {
    "/".to_owned()
}

impl Check {
    /// The interval in effect: as asked, at most [`MAX_CHECK_INTERVAL`].
    pub fn effective_interval(&self) -> Duration {
        self.interval.duration().min(MAX_CHECK_INTERVAL)
    }

    /// The port it needs, if any.
    pub fn port(&self) -> Option<&Name> {
        match &self.probe {
            Probe::Http(HttpProbe { port, .. }) | Probe::Tcp { port } => Some(port),
            Probe::Exec { .. } | Probe::Process {} => None,
        }
    }

    pub(crate) fn validate(&self, at: &str, errors: &mut FieldErrors) {
        let millis = |period: Period| period.duration().as_millis();
        errors.require(millis(self.interval) >= 100, format!("{at}.interval"), "must be at least 100ms");
        errors.require(
            (1..=60_000).contains(&millis(self.timeout)),
            format!("{at}.timeout"),
            "must be between 1ms and 60s",
        );
        errors.require((1..=100).contains(&self.failures), format!("{at}.failures"), "must be 1 to 100");
        errors.require((1..=100).contains(&self.successes), format!("{at}.successes"), "must be 1 to 100");
        match &self.probe {
            Probe::Http(http) => {
                let path = &http.path;
                let sound = path.starts_with('/') && path.len() <= 2_048 && !path.contains(char::is_control);
                errors.require(
                    sound,
                    format!("{at}.probe.http.path"),
                    "must start with '/' and be at most 2048 characters",
                );
                for (n, status) in http.expect_status.iter().enumerate() {
                    errors.require(
                        (100..=599).contains(status),
                        format!("{at}.probe.http.expect_status[{n}]"),
                        format!("{status} is not an HTTP status; they run from 100 to 599"),
                    );
                }
                for (name, value) in &http.headers {
                    let sound = !name.is_empty()
                        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                        && !value.contains(['\r', '\n', '\0']);
                    errors.require(sound, format!("{at}.probe.http.headers.{name}"), "is not an HTTP header");
                }
            }
            Probe::Exec { command } => {
                crate::process::validate_command(command, &format!("{at}.probe.exec.command"), errors);
            }
            Probe::Tcp { .. } | Probe::Process {} => {}
        }
    }
}
