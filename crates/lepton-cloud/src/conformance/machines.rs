//! Machines: launched, found, changed, given back.

use std::time::Duration;

use super::{Trial, distinct, labels, word};
use crate::launch::{find, leaked, owned};
use crate::words::{
    ImageId, InstanceFilter, InstanceId, InstanceState, InstanceTypeName, LaunchInput, Measure,
    MeasurementsInput,
};
use crate::{Power, every_page, launch_once};

pub(super) async fn a_machine_lives_and_dies(trial: &Trial) {
    let wanted = trial.wanted();
    let id = trial.cloud.launch(&wanted).await.unwrap();
    let machine = trial.until(&id, InstanceState::Running).await;
    assert_eq!(machine.name, wanted.name.as_str());
    assert_eq!(machine.instance_type, wanted.instance_type);
    assert_eq!(machine.market, wanted.market);
    assert_eq!((machine.zone, machine.subnet), (wanted.zone.clone(), wanted.subnet.clone()));
    assert!(!machine.private_addresses.is_empty(), "an address inside");
    assert!(machine.created_at.is_some(), "an age");
    for (key, value) in wanted.all_tags() {
        assert_eq!(machine.tags.get(&key), Some(&value), "tag {key} of {:?}", machine.tags);
    }
    let estate = owned(&*trial.cloud, trial.estate.as_str()).await.unwrap();
    assert!(estate.iter().any(|instance| instance.id == id), "found by its estate");
    assert_eq!(leaked(&estate, &[wanted.token].into()), Vec::<&_>::new(), "it is wanted");
    assert_eq!(leaked(&estate, &[].into()).len(), 1, "nobody wants it");
    trial.give_back(&id).await;
    let again = trial.cloud.power(&id, Power::Terminate).await;
    assert!(matches!(word(&again), "ok" | "not_found"), "given back twice: {again:?}");
}

pub(super) async fn one_token_one_machine(trial: &Trial) {
    let wanted = trial.wanted();
    let first = launch_once(&*trial.cloud, &wanted).await.unwrap();
    assert_eq!(launch_once(&*trial.cloud, &wanted).await.unwrap(), first, "the same token again");
    let found = find(&*trial.cloud, &wanted.token).await.unwrap().expect("found by its token");
    assert_eq!(found.id, first);
    let other = launch_once(&*trial.cloud, &trial.wanted()).await.unwrap();
    assert_ne!(other, first, "another token");
    trial.give_back(&first).await;
    trial.give_back(&other).await;
}

pub(super) async fn stop_and_start(trial: &Trial) {
    let id = trial.machine().await.id;
    trial.cloud.power(&id, Power::Stop).await.unwrap();
    trial.until(&id, InstanceState::Stopped).await;
    trial.cloud.power(&id, Power::Stop).await.expect("already stopped is well");
    trial.cloud.power(&id, Power::Start).await.unwrap();
    trial.until(&id, InstanceState::Running).await;
    trial.cloud.power(&id, Power::Start).await.expect("already running is well");
    trial.cloud.power(&id, Power::Reboot).await.unwrap();
    trial.until(&id, InstanceState::Running).await;
    trial.give_back(&id).await;
}

pub(super) async fn tags_are_added(trial: &Trial) {
    let machine = trial.machine().await;
    let new = labels(&[("purpose", "another"), ("team", "shop & söhne")]);
    trial.cloud.tag(&machine.id, &new).await.unwrap();
    let mut expect = machine.tags.clone();
    expect.extend(new);
    let tagged = async || trial.show(&machine.id).await.filter(|instance| instance.tags == expect);
    trial.wait("the new tags beside the old", tagged).await;
    let found = InstanceFilter::tag("team", "shop & söhne");
    let found = every_page(|page| trial.cloud.instances(&found, page)).await.unwrap();
    assert_eq!(found.iter().map(|instance| &instance.id).collect::<Vec<_>>(), [&machine.id]);
    trial.give_back(&machine.id).await;
}

pub(super) async fn a_stopped_machine_is_resized(trial: &Trial) {
    let id = trial.machine().await.id;
    trial.cloud.power(&id, Power::Stop).await.unwrap();
    trial.until(&id, InstanceState::Stopped).await;
    trial.cloud.resize(&id, &trial.types[1]).await.unwrap();
    let resized = async || trial.show(&id).await.filter(|instance| instance.instance_type == trial.types[1]);
    trial.wait("the new type", resized).await;
    trial.give_back(&id).await;
}

pub(super) async fn a_console_can_be_read(trial: &Trial) {
    let id = trial.machine().await.id;
    let output = trial.cloud.console_output(&id).await.unwrap();
    assert!(output.text.len() <= 64 << 10, "{} bytes", output.text.len());
    trial.give_back(&id).await;
}

pub(super) async fn lists_come_in_pages(trial: &Trial) {
    // Emulators of real clouds have a least page size of 5.
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(launch_once(&*trial.cloud, &trial.wanted()).await.unwrap());
    }
    let all_shown = async || {
        let shown = owned(&*trial.cloud, trial.estate.as_str()).await.unwrap();
        (shown.len() == ids.len()).then_some(())
    };
    trial.wait("seven machines", all_shown).await;
    let mut filter = InstanceFilter::tag(LaunchInput::ESTATE_TAG, trial.estate.as_str());
    filter.page_size = Some(5);
    let first = trial.cloud.instances(&filter, None).await.unwrap();
    assert!(first.items.len() <= 5 && first.next.is_some(), "{} on the first page", first.items.len());
    let all = every_page(|page| trial.cloud.instances(&filter, page)).await.unwrap();
    let live = distinct(all.iter().filter(|instance| instance.is_live()).map(|instance| &instance.id));
    assert_eq!(live, distinct(&ids), "each on one page");
    for id in &ids {
        trial.give_back(id).await;
    }
}

pub(super) async fn unknown_machines_are_not_found(trial: &Trial) {
    // An id of the right form that nobody has: of a machine that is made up from one that there was.
    let unknown = InstanceId::new("i-0123456789abcdef0");
    assert_eq!(word(&trial.cloud.power(&unknown, Power::Start).await), "not_found");
}

pub(super) async fn unknown_types_and_images_are_refused(trial: &Trial) {
    if !trial.checks_references {
        return;
    }
    let type_ = LaunchInput { instance_type: InstanceTypeName::new("no.such.type"), ..trial.wanted() };
    let refused = trial.cloud.launch(&type_).await;
    assert!(matches!(word(&refused), "invalid" | "not_found"), "{refused:?}");
    let image = LaunchInput { image: ImageId::new("img-00000000"), ..trial.wanted() };
    let refused = trial.cloud.launch(&image).await;
    assert!(matches!(word(&refused), "invalid" | "not_found"), "{refused:?}");
}

pub(super) async fn measurements_are_in_order(trial: &Trial) {
    let machine = trial.machine().await;
    let hour = Duration::from_secs(3_600);
    let created = machine.created_at.unwrap();
    let input = MeasurementsInput {
        instance: machine.id.clone(),
        measure: Measure::CpuPercent,
        from: created.before(hour),
        to: created.after(hour),
        step: Duration::from_secs(300),
    };
    let values = trial.cloud.measurements(&input).await.unwrap();
    assert!(values.is_sorted_by(|a, b| a.at < b.at), "{values:?}");
    assert!(
        values.iter().all(|v| v.at >= input.from && v.at <= input.to && v.value.is_finite()),
        "{values:?}"
    );
    trial.give_back(&machine.id).await;
}

pub(super) async fn nothing_is_left(trial: &Trial) {
    assert_eq!(owned(&*trial.cloud, trial.estate.as_str()).await.unwrap(), []);
}
