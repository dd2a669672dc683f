//! Repair: the ladder of a service, and runbooks.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, Name, NoStatus, Period, Risk, Spec, process::validate_command};

/// What one rung of the ladder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepairAction {
    /// Stop the replica and start it again.
    Restart,
    /// Run a runbook that resets the network configuration; rolled back when the server is out of reach afterwards.
    ResetNetwork,
    /// Run a runbook.
    Runbook,
    /// Open an incident and tell the webhooks.
    Escalate,
}

impl RepairAction {
    /// `restart`, `reset_network`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::ResetNetwork => "reset_network",
            Self::Runbook => "runbook",
            Self::Escalate => "escalate",
        }
    }
}

/// One rung. The ladder is climbed while the service stays unhealthy; each rung is check → act → verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairStep {
    /// What is done.
    #[serde(rename = "do")]
    pub action: RepairAction,
    /// The runbook, for `reset_network` and `runbook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<Name>,
    /// The service must be healthy within this time, or the step did not help; 30 s by default.
    #[serde(default = "default_verify")]
    pub verify_within: Period,
    /// Shortest time between two uses of this step; 10 s by default.
    #[serde(default = "default_cooldown")]
    pub cooldown: Period,
    /// Most uses within `per`; 3 by default.
    #[serde(default = "default_most")]
    pub most: u32,
    /// The window `most` counts in; 10 min by default.
    #[serde(default = "default_per")]
    pub per: Period,
}

fn default_verify() -> Period {
    Period::from_secs(30)
}
fn default_cooldown() -> Period {
    Period::from_secs(10)
}
fn default_most() -> u32 {
    3
}
fn default_per() -> Period {
    Period::from_secs(600)
}

impl RepairStep {
    /// A step with default limits.
    pub fn new(action: RepairAction, runbook: Option<Name>) -> Self {
        Self {
            action,
            runbook,
            verify_within: default_verify(),
            cooldown: default_cooldown(),
            most: default_most(),
            per: default_per(),
        }
    }

    /// The ladder of services that give none: restart, then tell a person.
    pub fn default_ladder() -> Vec<Self> {
        vec![Self::new(RepairAction::Restart, None), Self::new(RepairAction::Escalate, None)]
    }

    pub(crate) fn validate(&self, at: &str, errors: &mut FieldErrors) {
        let needs = matches!(self.action, RepairAction::ResetNetwork | RepairAction::Runbook);
        match (needs, &self.runbook) {
            (true, None) => errors.push(
                format!("{at}.runbook"),
                format!("{} needs the name of a runbook", self.action.as_str()),
            ),
            (false, Some(_)) => {
                errors.push(format!("{at}.runbook"), format!("{} takes no runbook", self.action.as_str()))
            }
            _ => {}
        }
        errors.require((1..=1_000).contains(&self.most), format!("{at}.most"), "must be 1 to 1000");
        errors.require(
            self.verify_within >= Period::from_millis(100),
            format!("{at}.verify_within"),
            "must be at least 100ms",
        );
    }
}

/// A command of a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandStep {
    /// Program and arguments. No shell is put between.
    pub command: Vec<String>,
    /// Killed after this time; 30 s by default.
    #[serde(default = "default_verify")]
    pub timeout: Period,
}

/// Commands that mend something on a node. Every command is judged by its exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookSpec {
    /// What it does, for the people who read the timeline.
    #[serde(default)]
    pub description: String,
    /// Exit code 0 means that acting makes sense here. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CommandStep>,
    /// The change.
    pub act: CommandStep,
    /// Exit code 0 means that it worked. Absent: the service's own health decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<CommandStep>,
    /// Undoes `act`; run when verification fails or the server is out of reach afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<CommandStep>,
    /// How much can go wrong.
    #[serde(default)]
    pub risk: Risk,
}

impl Spec for RunbookSpec {
    const KIND: Kind = Kind::Runbook;
    type Status = NoStatus;

    fn validate(&self, errors: &mut FieldErrors) {
        errors.require(self.description.len() <= 4_096, "spec.description", "may have at most 4096 bytes");
        let steps = [("check", &self.check), ("verify", &self.verify), ("rollback", &self.rollback)];
        let optional = steps.into_iter().filter_map(|(name, step)| step.as_ref().map(|step| (name, step)));
        for (name, step) in std::iter::once(("act", &self.act)).chain(optional) {
            validate_command(&step.command, &format!("spec.{name}.command"), errors);
            let millis = step.timeout.duration().as_millis();
            errors.require(
                (1..=3_600_000).contains(&millis),
                format!("spec.{name}.timeout"),
                "must be between 1ms and 1h",
            );
        }
    }
}
