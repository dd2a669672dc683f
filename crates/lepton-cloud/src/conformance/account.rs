//! Who one is, where one can rent, what there is.

use super::{Trial, ask, distinct, word};
use crate::words::{ImageFilter, InstanceFilter};
use crate::{ErrorKind, Operation, every_page};

pub(super) async fn undeclared_operations_refuse(trial: &Trial) {
    let declared = trial.cloud.capabilities();
    for operation in Operation::ALL.iter().filter(|operation| !declared.contains(**operation)) {
        let error = ask(&*trial.cloud, *operation).await.expect_err(operation.as_str());
        assert_eq!(error.kind, ErrorKind::Unsupported(*operation), "{operation}: {error}");
    }
}

pub(super) async fn an_identity_has_an_account(trial: &Trial) {
    let identity = trial.cloud.identity().await.unwrap();
    assert!(!identity.account.is_empty() && !identity.principal.is_empty(), "{identity:?}");
}

pub(super) async fn a_stranger_is_unauthorized(trial: &Trial) {
    if let Some(stranger) = &trial.stranger {
        assert_eq!(word(&stranger.identity().await), "unauthorized");
        if stranger.capabilities().contains(Operation::Instances) {
            assert_eq!(word(&stranger.instances(&InstanceFilter::default(), None).await), "unauthorized");
        }
    }
}

pub(super) async fn this_region_is_among_the_regions(trial: &Trial) {
    let regions = distinct(trial.cloud.regions().await.unwrap().into_iter().map(|region| region.id));
    assert!(regions.contains(trial.cloud.region()), "{} is not in {regions:?}", trial.cloud.region());
}

pub(super) async fn machines_can_be_launched_in_a_zone(trial: &Trial) {
    let zones = trial.cloud.zones().await.unwrap();
    distinct(zones.iter().map(|zone| &zone.id));
    assert!(zones.iter().any(|zone| zone.id == trial.zone && zone.available), "{zones:?}");
}

pub(super) async fn types_have_cores_and_memory(trial: &Trial) {
    let types = every_page(|page| trial.cloud.instance_types(page)).await.unwrap();
    distinct(types.iter().map(|kind| &kind.name));
    let whole = types.iter().filter(|kind| kind.cpu.as_millis() > 0 && kind.memory.get() > 0);
    assert_eq!(whole.count(), types.len(), "every type has both");
    for wanted in &trial.types {
        assert!(types.iter().any(|kind| &kind.name == wanted), "{wanted} is missing");
    }
}

pub(super) async fn prices_are_of_what_was_asked(trial: &Trial) {
    let prices = trial.cloud.prices(&trial.types).await.unwrap();
    assert!(!prices.is_empty());
    for price in prices {
        assert!(trial.types.contains(&price.instance_type), "{price:?}");
        assert!(price.per_hour.amount.is_sign_positive() && !price.per_hour.amount.is_zero(), "{price:?}");
    }
}

pub(super) async fn quotas_have_limits(trial: &Trial) {
    let quotas = trial.cloud.quotas().await.unwrap();
    assert!(!quotas.is_empty());
    distinct(quotas.iter().map(|quota| &quota.name));
}

pub(super) async fn images_can_be_found(trial: &Trial) {
    let all = ImageFilter::default();
    let images = every_page(|page| trial.cloud.images(&all, page)).await.unwrap();
    distinct(images.iter().map(|image| &image.id));
    let image = images.iter().find(|image| image.id == trial.image).expect("the trial's image");
    let named = ImageFilter { name: Some(image.name.clone()) };
    let found = every_page(|page| trial.cloud.images(&named, page)).await.unwrap();
    assert!(found.contains(image), "{} finds {found:?}", image.name);
    assert!(found.iter().all(|other| other.name.contains(&image.name)), "{found:?}");
}
