//! Carrying out what the ladder decides with runbooks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lepton_model::{CommandStep, Period};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Report, Rung};
use crate::check::{Exec, run};

/// When each runbook was last used on this node, by `project/name`. Runbooks change the machine, so one replica at a time holds this, from
/// its runbook's check to its verification.
pub(crate) type Uses = HashMap<String, VecDeque<Duration>>;

/// What a replica's runbooks are run with.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
    /// `project/name` of the runbook.
    pub(crate) key: String,
}

impl Hands {
    /// Waits for other runbooks of this node to finish, then looks whether acting makes sense.
    pub(crate) async fn check(
        self,
        rung: Rung,
        uses: Arc<Mutex<Uses>>,
        now: impl Fn() -> Duration + Send,
    ) -> (Report, OwnedMutexGuard<Uses>) {
        let mut guard = uses.lock_owned().await;
        let now = now();
        let used = guard.entry(self.key.clone()).or_default();
        used.retain(|&at| now.saturating_sub(at) < rung.step.per.duration());
        let cooldown = rung.step.cooldown.duration();
        if let Some(last) = used.back()
            && now < last.saturating_add(cooldown)
        {
            let ago = Period::from_millis(u64::try_from(now.saturating_sub(*last).as_millis()).unwrap_or(0));
            return (Report::Elsewhere(format!("another replica here ran it {ago} ago")), guard);
        }
        if used.len() >= rung.step.most as usize {
            let why = format!("this node has run it {} times within {} already", used.len(), rung.step.per);
            return (Report::Refused(why), guard);
        }
        let report = match rung.runbook.as_ref().and_then(|runbook| runbook.check.as_ref()) {
            None => Report::Done("it has no precondition".to_owned()),
            Some(check) => match self.command(check).await {
                Ok(said) => Report::Done(format!("its precondition holds: {said}")),
                Err(why) => Report::Refused(format!("its precondition does not hold: {why}")),
            },
        };
        (report, guard)
    }

    /// Runs one of the runbook's commands.
    pub(crate) async fn perform(self, step: Option<CommandStep>) -> Report {
        match step {
            None => Report::Failed("the runbook has no such command".to_owned()),
            Some(step) => match self.command(&step).await {
                Ok(said) => Report::Done(said),
                Err(why) => Report::Failed(why),
            },
        }
    }

    async fn command(&self, step: &CommandStep) -> Result<String, String> {
        let exec = Exec {
            command: &step.command,
            env: &self.env,
            dir: &self.dir,
            user: None,
            limit: step.timeout.duration(),
        };
        run(exec).await.summary()
    }
}
