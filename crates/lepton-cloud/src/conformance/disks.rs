//! Disks and snapshots.

use lepton_model::Bytes;

use super::{Trial, distinct, labels, word};
use crate::every_page;
use crate::words::{CreateVolumeInput, Volume, VolumeId, VolumeState};

async fn create(trial: &Trial, name: &str) -> VolumeId {
    let input = CreateVolumeInput {
        name: format!("{}-{name}", trial.estate),
        zone: trial.zone.clone(),
        // The least size of an ordinary disk on every cloud.
        size: Bytes::mebi(20 << 10),
        class: None,
        tags: labels(&[("purpose", "conformance")]),
    };
    trial.cloud.create_volume(&input).await.unwrap()
}

async fn show(trial: &Trial, id: &VolumeId) -> Option<Volume> {
    let all = every_page(|page| trial.cloud.volumes(page)).await.unwrap();
    distinct(all.iter().map(|volume| &volume.id));
    all.into_iter().find(|volume| &volume.id == id)
}

async fn until(trial: &Trial, id: &VolumeId, state: VolumeState) -> Volume {
    let what = format!("disk {id} is {state:?}");
    trial.wait(&what, async || show(trial, id).await.filter(|volume| volume.state == state)).await
}

async fn delete(trial: &Trial, id: &VolumeId) {
    trial.cloud.delete_volume(id).await.unwrap();
    let gone = async || {
        show(trial, id).await.is_none_or(|volume| volume.state == VolumeState::Deleted).then_some(())
    };
    trial.wait(&format!("disk {id} is gone"), gone).await;
}

pub(super) async fn a_disk_lives_and_dies(trial: &Trial) {
    let id = create(trial, "alone").await;
    let disk = until(trial, &id, VolumeState::Available).await;
    assert_eq!(
        (disk.size, disk.zone, disk.attached_to),
        (Bytes::mebi(20 << 10), Some(trial.zone.clone()), None)
    );
    assert_eq!(disk.tags.get("purpose").map(String::as_str), Some("conformance"));
    delete(trial, &id).await;
}

pub(super) async fn a_disk_is_attached_and_detached(trial: &Trial) {
    let machine = trial.machine().await.id;
    let id = create(trial, "held").await;
    until(trial, &id, VolumeState::Available).await;
    trial.cloud.attach_volume(&id, &machine).await.unwrap();
    let held = until(trial, &id, VolumeState::Attached).await;
    assert_eq!(held.attached_to.as_ref(), Some(&machine));
    assert_eq!(word(&trial.cloud.delete_volume(&id).await), "conflict", "it is held");
    trial.cloud.detach_volume(&id, &machine).await.unwrap();
    until(trial, &id, VolumeState::Available).await;
    delete(trial, &id).await;
    trial.give_back(&machine).await;
}

pub(super) async fn a_snapshot_lives_and_dies(trial: &Trial) {
    let volume = create(trial, "copied").await;
    until(trial, &volume, VolumeState::Available).await;
    let id = trial.cloud.create_snapshot(&volume, &format!("{}-copy", trial.estate)).await.unwrap();
    let find = async || {
        let all = every_page(|page| trial.cloud.snapshots(page)).await.unwrap();
        all.into_iter().find(|snapshot| snapshot.id == id)
    };
    let ready = async || find().await.filter(|snapshot| snapshot.ready);
    let snapshot = trial.wait("the snapshot is whole", ready).await;
    assert_eq!(snapshot.volume.as_ref(), Some(&volume));
    trial.cloud.delete_snapshot(&id).await.unwrap();
    trial.wait("the snapshot is gone", async || find().await.is_none().then_some(())).await;
    delete(trial, &volume).await;
}
