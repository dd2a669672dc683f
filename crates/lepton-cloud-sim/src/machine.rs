//! A machine of the simulated cloud. Its state at any moment follows from the moments at which it was told something.

use std::time::Duration;

use lepton_cloud::words::{Instance, InstanceState, LaunchToken};

/// What the machine was last told, and when; counted from the beginning of the world.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Start(Duration),
    Stop(Duration),
    Terminate(Duration),
}

#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// All but its state.
    pub shown: Instance,
    pub token: LaunchToken,
    pub told: Told,
    pub launched: Duration,
    /// When the cloud takes it back.
    pub interrupted: Option<Duration>,
}

/// From told to start until it runs.
const BOOT: Duration = Duration::from_secs(20);
/// From told to stop until it is stopped.
const HALT: Duration = Duration::from_secs(5);
/// How long lists show what is gone.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// How long before it is taken back a spot machine is told.
pub(crate) const NOTICE: Duration = Duration::from_secs(120);

impl Machine {
    pub fn state(&self, now: Duration) -> InstanceState {
        if self.gone(now).is_some() {
            return InstanceState::Terminated;
        }
        match self.told {
            Told::Start(at) if now < at + BOOT => InstanceState::Pending,
            Told::Start(_) => InstanceState::Running,
            Told::Stop(at) if now < at + HALT => InstanceState::Stopping,
            Told::Stop(_) => InstanceState::Stopped,
            Told::Terminate(_) => InstanceState::Terminated,
        }
    }

    /// Since when it is gone.
    fn gone(&self, now: Duration) -> Option<Duration> {
        let told = if let Told::Terminate(at) = self.told { Some(at) } else { None };
        let taken = self.interrupted.filter(|at| *at <= now);
        told.into_iter().chain(taken).min()
    }

    /// As lists show it; nothing once it is forgotten.
    pub fn show(&self, now: Duration) -> Option<Instance> {
        if self.gone(now).is_some_and(|at| now > at + REMEMBERED) {
            return None;
        }
        Some(Instance { state: self.state(now), ..self.shown.clone() })
    }

    pub fn is_live(&self, now: Duration) -> bool {
        self.gone(now).is_none()
    }
}
