//! What a command shows, and where: stdout for what was asked for, stderr for all else.

mod size;
mod table;
mod time;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use size::{bytes, percent};
pub(crate) use table::Table;
pub(crate) use time::{ago, length, stamp};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns
    #[default]
    Table,
    /// Aligned columns, more of them
    Wide,
    /// The API's own objects, as JSON
    Json,
    /// The API's own objects, as YAML
    Yaml,
}

/// What a piece of text means; shown as colour on terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Needs a look.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
    /// A heading.
    Strong,
}

impl Tone {
    /// The tone of a state word of any kind.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "ready" | "running" | "succeeded" | "executed" | "resolved" | "ok" | "healthy" => {
                Some(Self::Good)
            }
            "starting" | "pending" | "joining" | "degraded" | "backing_off" | "stopping" | "acknowledged"
            | "warning" | "skipped" | "assigned" | "waiting" => Some(Self::Warn),
            "failed" | "lost" | "unhealthy" | "crash_looping" | "open" | "critical" | "failing" => {
                Some(Self::Bad)
            }
            "stopped" | "superseded" | "standby" => Some(Self::Dim),
            _ => None,
        }
    }

    const fn ansi(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Dim => "\x1b[2m",
            Self::Strong => "\x1b[1m",
        }
    }
}

/// The two streams of this process and what they can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    color_out: bool,
    color_err: bool,
    /// Whether a person watches stderr: progress is shown only then.
    pub interactive: bool,
}

impl Screen {
    /// Looks at the streams and at `NO_COLOR` (no-color.org).
    pub fn of_this_process() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let interactive = io::stderr().is_terminal();
        Self {
            color_out: !plain && io::stdout().is_terminal(),
            color_err: !plain && interactive,
            interactive,
        }
    }

    /// Whether stdout shows colour.
    pub fn has_color(&self) -> bool {
        self.color_out
    }

    /// Text for stdout, in a tone where that can be shown.
    pub fn tone(&self, tone: Option<Tone>, text: &str) -> String {
        painted(self.color_out, tone, text)
    }

    /// Writes a line to stdout.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        written(write!(out, "{text}{end}").and_then(|()| out.flush()))
    }

    /// Writes bytes to stdout as they are.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Writes one document to stdout; `None` for the table formats, which the caller draws itself.
    pub fn document<T: Serialize>(&self, format: Format, value: &T) -> Option<Result<(), Failure>> {
        let unwritable =
            |error: &dyn std::fmt::Display| Failure::failed(format!("cannot write the answer: {error}"));
        let text = match format {
            Format::Table | Format::Wide => return None,
            Format::Json => serde_json::to_string_pretty(value).map_err(|error| unwritable(&error)),
            Format::Yaml => yaml(value).map_err(|error| unwritable(&error)),
        };
        Some(text.and_then(|text| self.print(&text)))
    }

    /// Tells a person something that is not the result.
    pub fn note(&self, text: &str) {
        self.err(text);
    }

    pub fn error(&self, text: &str) {
        self.err(&format!("{} {text}", painted(self.color_err, Some(Tone::Bad), "error:")));
    }

    pub fn warn(&self, text: &str) {
        self.err(&format!("{} {text}", painted(self.color_err, Some(Tone::Warn), "warning:")));
    }

    pub fn hint(&self, text: &str) {
        self.err(&format!("{} {text}", painted(self.color_err, Some(Tone::Strong), "hint:")));
    }

    fn err(&self, text: &str) {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// YAML by way of JSON values: quantities, names and times then look as they do in JSON.
pub(crate) fn yaml<T: Serialize>(value: &T) -> Result<String, String> {
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    serde_saphyr::to_string(&value).map_err(|error| error.to_string())
}

fn painted(color: bool, tone: Option<Tone>, text: &str) -> String {
    match tone {
        Some(tone) if color => format!("{}{text}\x1b[0m", tone.ansi()),
        _ => text.to_owned(),
    }
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::broken_pipe(),
        _ => Failure::failed(format!("cannot write to stdout: {error}")),
    })
}
