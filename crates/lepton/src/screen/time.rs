//! Moments as people read them.

use std::time::Duration;

use lepton_model::Timestamp;

/// `4s`, `3m12s`, `5h2m`, `12d`: two units at most.
pub(crate) fn length(length: Duration) -> String {
    let s = length.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..600 => format!("{}m{}s", s / 60, s % 60),
        600..3_600 => format!("{}m", s / 60),
        3_600..36_000 => format!("{}h{}m", s / 3_600, s % 3_600 / 60),
        36_000..172_800 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// How long ago, by the clock of this machine.
pub(crate) fn ago(moment: Timestamp, now: Timestamp) -> String {
    length(now.since(moment))
}

/// `2026-01-31T09:30:00Z`: whole seconds, UTC.
pub(crate) fn stamp(moment: Timestamp) -> String {
    let text = moment.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        let check = |seconds: u64, expect: &str| assert_eq!(length(Duration::from_secs(seconds)), expect);
        check(0, "0s");
        check(59, "59s");
        check(61, "1m1s");
        check(600, "10m");
        check(3_725, "1h2m");
        check(90_000, "25h");
        check(864_000, "10d");
    }

    #[test]
    fn stamps_are_whole_seconds() {
        assert_eq!(stamp(Timestamp::from_millis(1_769_851_800_123)), "2026-01-31T09:30:00Z");
    }
}
