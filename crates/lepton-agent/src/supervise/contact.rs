//! What the supervisor knows of the server's reach.

use std::time::Duration;

/// The last contact with the server, kept up to date by the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// [`super::Clock::monotonic`] when the last *answered* request was **sent**; none since the agent
    /// started when absent. The moment of sending, because the server's lease counts from a moment after it.
    pub answered: Option<Duration>,
    /// The node's lease.
    pub lease: Duration,
}

impl Contact {
    /// No answer yet.
    pub const fn never(lease: Duration) -> Self {
        Self { answered: None, lease }
    }

    /// When the server counts as lost: two thirds into the lease.
    pub fn lost_at(&self) -> Option<Duration> {
        self.answered.map(|answered| answered.saturating_add(self.lease.saturating_mul(2) / 3))
    }

    /// Whether the server has answered within two thirds of the lease.
    pub fn is_fresh(&self, now: Duration) -> bool {
        self.lost_at().is_some_and(|lost| now < lost)
    }

    /// Whether a request sent after `moment` has been answered.
    pub fn is_after(&self, moment: Duration) -> bool {
        self.answered.is_some_and(|answered| answered > moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_is_fresh_for_two_thirds_of_the_lease() {
        let check = |answered: Option<u64>, now: u64, fresh: bool| {
            let contact =
                Contact { answered: answered.map(Duration::from_secs), lease: Duration::from_secs(15) };
            assert_eq!(contact.is_fresh(Duration::from_secs(now)), fresh, "{answered:?} at {now}");
        };
        check(None, 0, false);
        check(Some(100), 100, true);
        check(Some(100), 109, true);
        check(Some(100), 110, false);
        check(Some(100), 99, true);
    }
}
