//! What can go wrong at a cloud, in one taxonomy for all of them.
//!
//! Each adapter brings a table of its cloud's own codes; what the table does not know is judged by the HTTP status.

use std::fmt;
use std::time::Duration;

use crate::Operation;

/// Result of anything asked of a cloud.
pub type CloudResult<T> = Result<T, CloudError>;

/// Longest message of a cloud that is kept, in characters.
const MAX_MESSAGE: usize = 500;

/// Why a cloud did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// What a caller can act on.
    pub kind: ErrorKind,
    /// The cloud's own code, where it gave one.
    pub code: Option<Box<str>>,
    /// What the cloud said, or what we found; no secrets, at most 500 characters.
    pub message: Box<str>,
    /// The cloud's number of the call, which its support asks for.
    pub request_id: Option<Box<str>>,
}

/// What a caller can do about an error. One variant per thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The credentials are wrong or have run out.
    Unauthorized,
    /// The credentials are right and do not suffice.
    Forbidden,
    /// It does not exist.
    NotFound,
    /// It is not in a state that allows this: in use, stopped, there already.
    Conflict,
    /// The account may not have more.
    Quota {
        /// How much it may have, where the cloud said so.
        limit: Option<u64>,
    },
    /// The cloud has no more of this here and now. Another zone or type may be had.
    OutOfStock,
    /// Too many calls.
    Throttled {
        /// When to call again, where the cloud said so.
        retry_after: Option<Duration>,
    },
    /// The cloud will never accept this request.
    Invalid {
        /// The field that is wrong, where the cloud named it.
        field: Option<Box<str>>,
    },
    /// This cloud cannot do it; nothing was sent.
    Unsupported(Operation),
    /// Dry run: this would have been done.
    DryRun(Operation),
    /// It did not happen and may if tried again.
    Transient,
    /// No usable answer came: it may have happened or not.
    Unanswered,
    /// Trying again will not help.
    Permanent,
}

impl ErrorKind {
    /// Its name in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Quota { .. } => "quota",
            Self::OutOfStock => "out_of_stock",
            Self::Throttled { .. } => "throttled",
            Self::Invalid { .. } => "invalid",
            Self::Unsupported(_) => "unsupported",
            Self::DryRun(_) => "dry_run",
            Self::Transient => "transient",
            Self::Unanswered => "unanswered",
            Self::Permanent => "permanent",
        }
    }
}

impl CloudError {
    /// An error that Lepton found itself.
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        let message = message.as_ref().chars().take(MAX_MESSAGE).collect::<String>().into();
        Self { kind, code: None, message, request_id: None }
    }

    /// An answer that cannot be understood. Whether the call took effect is not known.
    pub fn garbled(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unanswered, format!("answer not understood: {what}"))
    }

    /// What this cloud cannot do.
    pub fn unsupported(operation: Operation) -> Self {
        Self::new(ErrorKind::Unsupported(operation), format!("this cloud has no {operation}"))
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str().replace('_', " "), self.message)?;
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => write!(f, " ({code}, request {id})"),
            (Some(code), None) => write!(f, " ({code})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for CloudError {}

/// A refusal as it came over the wire.
#[derive(Debug, Clone, Default)]
pub struct Refusal<'a> {
    /// HTTP status.
    pub status: u16,
    /// The cloud's code.
    pub code: &'a str,
    /// The cloud's words.
    pub message: &'a str,
    /// The cloud's number of the call.
    pub request_id: &'a str,
    /// From the header `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// A cloud's codes and what they mean, first match first. `Head*` stands for all codes that begin so, `*Tail` for all that
/// end so.
pub type Codes = &'static [(&'static str, ErrorKind)];

impl Refusal<'_> {
    /// What the refusal means, by the cloud's own table and else by its HTTP status.
    pub fn judge(&self, codes: Codes) -> CloudError {
        let matches = |pattern: &str| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
            (Some(head), _) => self.code.starts_with(head),
            (None, Some(tail)) => self.code.ends_with(tail),
            (None, None) => self.code == pattern,
        };
        let known = codes.iter().find(|(pattern, _)| matches(pattern)).map(|(_, kind)| kind.clone());
        let kind = match known.unwrap_or_else(|| by_status(self.status)) {
            ErrorKind::Throttled { .. } => ErrorKind::Throttled { retry_after: self.retry_after },
            ErrorKind::Quota { .. } => ErrorKind::Quota { limit: largest_number(self.message) },
            kind => kind,
        };
        let some = |text: &str| (!text.is_empty()).then(|| text.chars().take(128).collect::<String>().into());
        let message = if self.message.is_empty() { "the cloud gave no reason" } else { self.message };
        CloudError {
            code: some(self.code),
            request_id: some(self.request_id),
            ..CloudError::new(kind, message)
        }
    }
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled { retry_after: None },
        // 503 says that the call was not taken on; the other 5xx say nothing about what had happened by then.
        503 => ErrorKind::Transient,
        500..=599 => ErrorKind::Unanswered,
        _ => ErrorKind::Permanent,
    }
}

/// Clouds name the limit in prose ("you have requested more vCPU capacity than your current limit of 32"):
/// of the numbers that stand alone, the largest.
fn largest_number(message: &str) -> Option<u64> {
    message
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')))
        .filter_map(|word| word.trim_end_matches('.').parse().ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_judged_by_code_then_status() {
        const CODES: Codes = &[
            ("Quota.Servers", ErrorKind::Quota { limit: None }),
            ("Throttling*", ErrorKind::Throttled { retry_after: None }),
            ("*.NotFound", ErrorKind::NotFound),
        ];
        let second = Some(Duration::from_secs(1));
        let check = |status, code, message, expect| {
            let refusal = Refusal { status, code, message, retry_after: second, ..Refusal::default() };
            assert_eq!(refusal.judge(CODES).kind, expect, "{status} {code}");
        };
        check(403, "Quota.Servers", "at most 32 servers, ecs.g7 asked", ErrorKind::Quota { limit: Some(32) });
        check(403, "Quota.Servers", "no more", ErrorKind::Quota { limit: None });
        check(400, "Throttling.User", "", ErrorKind::Throttled { retry_after: second });
        check(400, "Disk.NotFound", "", ErrorKind::NotFound);
        check(403, "Other", "", ErrorKind::Forbidden);
        check(503, "", "", ErrorKind::Transient);
        check(500, "", "", ErrorKind::Unanswered);
        check(400, "", "", ErrorKind::Permanent);
    }

    #[test]
    fn what_a_cloud_says_is_bounded() {
        let long = "x".repeat(10_000);
        let refusal = Refusal { status: 400, message: &long, code: &long, ..Refusal::default() };
        let error = refusal.judge(&[]);
        assert!(error.to_string().len() < 700, "{} bytes", error.to_string().len());
    }
}
