//! Cutting a machine off from the network, and undoing it.

use serde::{Deserialize, Serialize};

use crate::words::{CreateSecurityGroupInput, InstanceFilter, InstanceId, NetworkId, Rule, SecurityGroupId};
use crate::{Cloud, CloudError, CloudResult, ErrorKind};

/// What is needed to undo an isolation. Recorded by the caller before [`apply`] is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The machine that is cut off.
    pub instance: InstanceId,
    /// The groups it was in.
    pub before: Vec<SecurityGroupId>,
    /// The group that lets nothing through but its own few rules.
    pub quarantine: SecurityGroupId,
}

/// Name of the group of machines that are cut off, one for each network.
const QUARANTINE: &str = "lepton-quarantine";

/// Finds or makes the quarantine and reads what will have to be undone. Cuts nothing off yet.
///
/// `allowed` is what still goes through, such as the way to the control plane; it is set when the quarantine is first made.
///
/// # Errors
/// The machine does not exist or has no network; whatever the cloud refused.
pub async fn prepare(cloud: &dyn Cloud, id: &InstanceId, allowed: &[Rule]) -> CloudResult<Isolation> {
    let page = cloud.instances(&InstanceFilter::id(id), None).await?;
    let Some(instance) = page.items.into_iter().find(|instance| &instance.id == id) else {
        return Err(CloudError::new(ErrorKind::NotFound, format!("there is no machine {id}")));
    };
    let Some(network) = instance.network else {
        return Err(CloudError::new(ErrorKind::Conflict, format!("machine {id} is in no network")));
    };
    let quarantine = quarantine(cloud, &network, allowed).await?;
    // A machine that is cut off already keeps what it came from elsewhere; the groups read here say nothing of it.
    if instance.security_groups == [quarantine.clone()] {
        return Err(CloudError::new(ErrorKind::Conflict, format!("machine {id} is cut off already")));
    }
    Ok(Isolation { instance: instance.id, before: instance.security_groups, quarantine })
}

async fn quarantine(
    cloud: &dyn Cloud,
    network: &NetworkId,
    allowed: &[Rule],
) -> CloudResult<SecurityGroupId> {
    let groups = cloud.security_groups().await?;
    let known = groups
        .into_iter()
        .find(|group| group.name == QUARANTINE && group.network.as_ref().is_none_or(|n| n == network));
    match known {
        Some(group) => Ok(group.id),
        None => {
            let (name, network) = (QUARANTINE.to_owned(), network.clone());
            let input = CreateSecurityGroupInput { name, network, rules: allowed.to_vec() };
            cloud.create_security_group(&input).await
        }
    }
}

/// Cuts the machine off.
///
/// # Errors
/// Whatever the cloud refused.
pub async fn apply(cloud: &dyn Cloud, isolation: &Isolation) -> CloudResult<()> {
    cloud.set_security_groups(&isolation.instance, std::slice::from_ref(&isolation.quarantine)).await
}

/// Puts the machine back where it was.
///
/// # Errors
/// Whatever the cloud refused.
pub async fn undo(cloud: &dyn Cloud, isolation: &Isolation) -> CloudResult<()> {
    cloud.set_security_groups(&isolation.instance, &isolation.before).await
}
