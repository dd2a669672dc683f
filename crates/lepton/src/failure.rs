//! How a command ends when it does not end well: an exit code that scripts can act on, words that people can act on.

use std::process::ExitCode;

use lepton_api::ClientError;

use crate::screen::Screen;

/// The documented exit codes. Scripts depend on them: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed for a reason that has no code of its own.
    Failed = 1,
    /// The command line makes no sense, or no server is known.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// A manifest, statement or value is wrong.
    Invalid = 4,
    /// The token is missing, not accepted, or may not do this.
    Denied = 5,
    /// Somebody else changed it first, or it is in that state already.
    Conflict = 6,
    /// The server does not answer.
    Unreachable = 7,
    /// It did not happen in time.
    TimedOut = 8,
    /// The plan leaves something unplaced.
    DoesNotFit = 9,
}

/// The text of `lepton help exit-codes`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed for a reason that has no code of its own
  2  the command line makes no sense, or no server is known
  3  what was asked for does not exist
  4  a manifest, statement or value is wrong
  5  the token is missing, not accepted, or may not do this
  6  somebody else changed it first, or it is in that state already
  7  the server does not answer
  8  it did not happen in time
  9  the plan leaves something unplaced
";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure with its exit code, a message, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    messages: Vec<String>,
    hint: Option<String>,
    /// The reader of stdout has had enough (`lepton get … | head`): not a failure at all.
    quiet: bool,
}

impl Failure {
    /// A failure of any kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, messages: vec![message.into()], hint: None, quiet: false }
    }

    /// Several things are wrong, one message each.
    pub fn all(exit: Exit, messages: Vec<String>) -> Self {
        Self { exit, messages, hint: None, quiet: false }
    }

    /// [`Exit::Failed`]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// [`Exit::Usage`]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// [`Exit::Invalid`]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, message)
    }

    /// Nobody reads stdout any more.
    pub(crate) fn broken_pipe() -> Self {
        Self { exit: Exit::Failed, messages: Vec::new(), hint: None, quiet: true }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Its exit code.
    pub fn exit(&self) -> ExitCode {
        if self.quiet { ExitCode::SUCCESS } else { self.exit.into() }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Exit {
        self.exit
    }

    /// Everything it says.
    pub fn text(&self) -> String {
        self.messages.join("\n")
    }

    pub(crate) fn report(&self, screen: &Screen) {
        for message in &self.messages {
            screen.error(message);
        }
        if let Some(hint) = &self.hint {
            screen.hint(hint);
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Config(_) => Self::usage(error.to_string()),
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("is the server running? `lepton dev` starts one here; `lepton context list` shows which are known"),
            ClientError::TimedOut { .. } => Self::new(Exit::TimedOut, error.to_string())
                .hint("whether it was carried out is not known: look with `lepton get` before trying again"),
            ClientError::Protocol { .. } => Self::failed(error.to_string())
                .hint("check the address; `lepton status` shows the server's version"),
            ClientError::Refused { problem, retry_after } => {
                let exit = match problem.status {
                    401 | 403 => Exit::Denied,
                    404 => Exit::NotFound,
                    409 | 412 => Exit::Conflict,
                    400 | 413 | 415 | 422 => Exit::Invalid,
                    408 | 504 => Exit::TimedOut,
                    _ => Exit::Failed,
                };
                let messages = if problem.errors.is_empty() {
                    vec![problem.detail.clone()]
                } else {
                    problem.errors.iter().map(ToString::to_string).collect()
                };
                let hint = match (problem.status, retry_after) {
                    (401, _) => Some(
                        "set LEPTON_TOKEN_FILE to a file with a token, or add one to a context: \
                         `lepton context add --help`"
                            .to_owned(),
                    ),
                    (403, _) => Some("ask an administrator for a token with a higher role".to_owned()),
                    (_, Some(wait)) => Some(format!("try again in {} s", wait.as_secs())),
                    (500.., _) => {
                        problem.request_id.as_ref().map(|id| format!("the server's log has more under request {id}"))
                    }
                    _ => None,
                };
                Self { exit, messages, hint, quiet: false }
            }
        }
    }
}
