//! Launches that neither double nor leak, whatever is lost on the way.
//!
//! ```text
//! 1  choose a token, record it            a crash here leaves a token without a machine: launch_once again
//! 2  launch_once(token)                   asks first whether the token has a machine already
//! 3  record the machine                   a crash before this: launch_once again finds it by its tag
//! 4  now and then: owned(), then read the recorded tokens, then leaked(): give those machines back
//! ```
//!
//! Client tokens alone do not suffice: some clouds ignore them, all forget them, and a crash forgets the answer. The tag is
//! on the machine itself. The sweep catches what neither can: a launch that took effect so late that a list did not show it
//! yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::page::every_page;
use crate::words::{Instance, InstanceFilter, InstanceId, LaunchInput, LaunchToken};
use crate::{Cloud, CloudError, CloudResult, ErrorKind};

/// Attempts whose answer was lost before it is given up; the token stays good for a later try.
const ATTEMPTS: u32 = 5;

/// Pause before looking whether a launch without an answer took effect; grows with each.
const PAUSE: Duration = Duration::from_secs(2);

/// The machine of this token: the one there is, or a new one.
///
/// # Errors
/// Whatever kept it from being launched. `Unanswered` means that it may exist; call again with the same token.
pub async fn launch_once(cloud: &dyn Cloud, input: &LaunchInput) -> CloudResult<InstanceId> {
    check(input)?;
    let mut attempt = 0;
    loop {
        if let Some(instance) = find(cloud, &input.token).await? {
            return Ok(instance.id);
        }
        attempt += 1;
        match cloud.launch(input).await {
            Err(error) if error.kind == ErrorKind::Unanswered && attempt < ATTEMPTS => {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            outcome => return outcome,
        }
    }
}

/// The live machine of a token, the oldest if a lost answer made two.
///
/// # Errors
/// Whatever the list failed with.
pub async fn find(cloud: &dyn Cloud, token: &LaunchToken) -> CloudResult<Option<Instance>> {
    let filter = InstanceFilter::tag(LaunchInput::TOKEN_TAG, token.as_str());
    let all = every_page(|page| cloud.instances(&filter, page)).await?;
    Ok(all.into_iter().filter(Instance::is_live).min_by(by_age))
}

/// All live machines that were ever launched for this estate here.
///
/// # Errors
/// Whatever the list failed with.
pub async fn owned(cloud: &dyn Cloud, estate: &str) -> CloudResult<Vec<Instance>> {
    let filter = InstanceFilter::tag(LaunchInput::ESTATE_TAG, estate);
    let mut all = every_page(|page| cloud.instances(&filter, page)).await?;
    all.retain(Instance::is_live);
    Ok(all)
}

/// Which of the [`owned`] machines nobody wants: their token is not recorded, or another machine has it already.
///
/// List first and read the tokens afterwards: a token is recorded before its machine is launched, so every machine that the
/// list shows and that is wanted has its token among them.
pub fn leaked<'a>(owned: &'a [Instance], wanted: &BTreeSet<LaunchToken>) -> Vec<&'a Instance> {
    let mut kept: BTreeMap<LaunchToken, &Instance> = BTreeMap::new();
    let mut leaked = Vec::new();
    for instance in owned {
        let Some(token) = instance.launch_token().filter(|token| wanted.contains(token)) else {
            leaked.push(instance);
            continue;
        };
        match kept.get(&token) {
            Some(other) if by_age(other, instance).is_le() => leaked.push(instance),
            _ => leaked.extend(kept.insert(token, instance)),
        }
    }
    leaked
}

/// Oldest first; one whose age is not told is the youngest. The id decides between equals, so that two readers agree.
fn by_age(a: &Instance, b: &Instance) -> std::cmp::Ordering {
    let age = |instance: &Instance| (instance.created_at.is_none(), instance.created_at);
    age(a).cmp(&age(b)).then_with(|| a.id.cmp(&b.id))
}

fn check(input: &LaunchInput) -> CloudResult<()> {
    let size = input.user_data.as_ref().map_or(0, |data| data.expose().len());
    if size > LaunchInput::MAX_USER_DATA {
        let message =
            format!("user_data has {size} bytes; clouds take at most {}", LaunchInput::MAX_USER_DATA);
        return Err(CloudError::new(ErrorKind::Invalid { field: Some("user_data".into()) }, message));
    }
    Ok(())
}
