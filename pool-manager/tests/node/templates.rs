//! Bakes and stored templates on the fake engine: shared, interrupted, damaged, out of room.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::support::{Root, World, limits};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use thaw_pool_manager::{
    AdminError, BakeError, FAKE_IMAGE, LeaseError, LeaseRequest, Node as _, NodeLimits, StartKind,
    TemplateId, TemplateSelector, image::ProgressSink, vmm::FakeEngine,
};
use tokio::time::timeout;

/// The only template's folder.
fn folder(root: &Root) -> PathBuf {
    let mut entries = fs::read_dir(root.folder.path().join("templates")).unwrap();
    let folder = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    folder
}

async fn baked() -> Root {
    let world = World::new().await;
    world.lease().await.unwrap();
    world.close().await
}

async fn reopen(root: Root) -> World {
    World::open(root, limits(), FakeEngine::default()).await
}

#[tokio::test]
async fn a_template_is_baked_once_and_found_again_after_a_restart() {
    let world = reopen(baked().await).await;
    let lease = world.lease().await.unwrap();
    assert_ne!(lease.start, StartKind::Cold);
    let templates = world.node.templates().await;
    assert_eq!(templates.len(), 1);
    assert_eq!(templates[0].id, lease.template);
    assert!(templates[0].disk_bytes > 0 && templates[0].in_use > 0);
    world.close().await;
}

async fn refused(world: &World, template: &TemplateId) -> String {
    let request = LeaseRequest {
        template: TemplateSelector::Template(template.clone()),
        start_within: Duration::from_secs(30),
    };
    let refused = world.node.lease(request).await.unwrap_err();
    assert!(
        matches!(refused, LeaseError::BadTemplate { .. }),
        "{refused:?}"
    );
    refused.to_string()
}

#[tokio::test]
async fn a_template_of_another_engine_is_refused_by_name_and_its_image_gets_a_new_one() {
    let root = baked().await;
    let world = World::open(root, limits(), FakeEngine::of_version("2")).await;
    let old = world.node.templates().await.remove(0).id;
    let said = refused(&world, &old).await;
    assert!(
        said.contains(&old.to_string()) && said.contains("it was frozen by fake 1"),
        "{said}"
    );
    let lease = world.lease().await.unwrap();
    assert_eq!(lease.start, StartKind::Cold);
    assert_ne!(lease.template, old);
    world.close().await;
}

#[tokio::test]
async fn a_template_whose_agent_speaks_another_protocol_is_refused_by_name() {
    let root = baked().await;
    let manifest = folder(&root).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&text).unwrap();
    changed["protocol"] = 1.into();
    fs::write(&manifest, changed.to_string()).unwrap();
    let world = reopen(root).await;
    let template = world.node.templates().await.remove(0).id;
    let said = refused(&world, &template).await;
    assert!(
        said.contains(&template.to_string()) && said.contains("protocol"),
        "{said}"
    );
    world.close().await;
}

#[tokio::test]
async fn callers_of_one_template_share_its_bake_and_one_that_leaves_does_not_stop_it() {
    let world = World::new().await;
    world
        .engine
        .faults(|faults| faults.boot_delay = Duration::from_millis(300));
    assert!(
        timeout(Duration::from_millis(100), world.lease())
            .await
            .is_err()
    );
    let (first, second) = tokio::join!(world.lease(), world.lease());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        (first.start, second.start),
        (StartKind::Cold, StartKind::Cold)
    );
    assert_eq!(first.template, second.template);
    assert_eq!(world.node.templates().await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn a_caller_that_cannot_wait_for_a_bake_is_told_and_the_next_one_profits() {
    let world = World::new().await;
    world
        .engine
        .faults(|faults| faults.boot_delay = Duration::from_millis(300));
    let late = world
        .lease_within(Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(matches!(late, LeaseError::TimedOut(_)), "{late:?}");
    world.lease().await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_bake_that_fails_leaves_nothing_and_the_next_one_works() {
    let world = World::new().await;
    world.engine.faults(|faults| faults.boot_failures = 1);
    let failed = world.lease().await.unwrap_err();
    assert!(
        matches!(&failed, LeaseError::Bake(error) if matches!(**error, BakeError::Start(_))),
        "{failed:?}"
    );
    world.engine.faults(|faults| faults.restore_failures = 1);
    let failed = world.lease().await.unwrap_err();
    assert!(
        matches!(&failed, LeaseError::Bake(error) if matches!(**error, BakeError::Trial(_))),
        "{failed:?}"
    );
    assert_eq!(world.engine.live(), []);
    let left = fs::read_dir(world.root.folder.path().join("templates")).unwrap();
    assert_eq!(left.count(), 0);
    world.lease().await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_bake_has_a_deadline() {
    let limits = NodeLimits {
        bake_within: Duration::from_millis(100),
        ..limits()
    };
    let world = World::with(limits, FakeEngine::default()).await;
    world
        .engine
        .faults(|faults| faults.boot_delay = Duration::from_secs(3600));
    let late = world.lease().await.unwrap_err();
    assert!(
        matches!(&late, LeaseError::Bake(error) if matches!(**error, BakeError::TimedOut(_))),
        "{late:?}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_bake_does_not_begin_without_room_on_the_disk() {
    let limits = NodeLimits {
        disk_reserve_bytes: 1 << 60,
        ..limits()
    };
    let world = World::with(limits, FakeEngine::default()).await;
    let full = world.lease().await.unwrap_err();
    assert!(
        matches!(&full, LeaseError::Bake(error) if matches!(**error, BakeError::DiskFull { .. })),
        "{full:?}"
    );
    world.close().await;
}

/// A file system of its own for the templates; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, bytes: u64) -> Self {
        let size = format!("size={bytes}");
        mount(
            Some("tmpfs"),
            at,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(size.as_str()),
        )
        .unwrap();
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_in_mid_bake_leaves_nothing_half_made() {
    let root = Root {
        folder: tempfile::tempdir().unwrap(),
    };
    let templates = root.folder.path().join("templates");
    fs::create_dir(&templates).unwrap();
    // Room enough to begin, too little for a guest that has filled all of its 128 MiB.
    let disk = SmallDisk::mount(&templates, 100 << 20);
    let world = World::open(root, limits(), FakeEngine::default()).await;
    world
        .engine
        .faults(|faults| faults.frozen_data_bytes = 128 << 20);
    let full = world.lease().await.unwrap_err();
    assert!(
        matches!(&full, LeaseError::Bake(error) if matches!(**error, BakeError::WriteMemory(_))),
        "{full:?}"
    );
    assert_eq!(world.engine.live(), []);
    assert_eq!(fs::read_dir(&templates).unwrap().count(), 0);
    world
        .engine
        .faults(|faults| faults.frozen_data_bytes = 1 << 20);
    world.lease().await.unwrap();
    world.close().await;
    drop(disk);
}

/// Damages one file of the template; says what the refusal must name.
async fn refusal(damage: impl FnOnce(&Path)) -> String {
    let root = baked().await;
    let folder = folder(&root);
    let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
    damage(&folder);
    let world = reopen(root).await;
    let refused = world.lease().await.unwrap_err();
    let LeaseError::BadTemplate { template, reason } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(*template, id);
    assert!(
        reason.contains(&format!("thaw template rm {id}")),
        "{reason}"
    );
    // It stays refused, by id too, until somebody removes it; then it is baked anew.
    let by_id = TemplateSelector::Template(TemplateId::new(id.clone()));
    let again = world
        .node
        .ensure_template(&by_id, &ProgressSink::none())
        .await;
    assert!(
        matches!(again, Err(LeaseError::BadTemplate { .. })),
        "{again:?}"
    );
    assert_eq!(world.engine.live(), []);
    world
        .node
        .remove_template(&TemplateId::new(id))
        .await
        .unwrap();
    assert_eq!(world.lease().await.unwrap().start, StartKind::Cold);
    let reason = reason.clone();
    world.close().await;
    reason
}

fn flip(file: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

fn cut(file: &Path) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
}

#[tokio::test]
async fn a_template_with_damaged_memory_is_refused_by_name() {
    let reason = refusal(|folder| cut(&folder.join("memory.bin"))).await;
    assert!(reason.contains("cut short"), "{reason}");
    let reason = refusal(|folder| {
        let file = folder.join("memory.bin");
        let memory = fs::read(&file).unwrap();
        let mark = b"a fake guest was frozen here";
        let at = memory
            .windows(mark.len())
            .position(|window| window == mark)
            .unwrap();
        flip(&file, at as u64);
    })
    .await;
    assert!(reason.contains("checksum"), "{reason}");
}

#[tokio::test]
async fn a_template_with_a_damaged_state_or_disk_is_refused_by_name() {
    let reason = refusal(|folder| flip(&folder.join("state.bin"), 3)).await;
    assert!(
        reason.contains("device state fails its checksum"),
        "{reason}"
    );
    let reason = refusal(|folder| cut(&folder.join("scratch.img"))).await;
    assert!(reason.contains("cut short"), "{reason}");
    // 1080 is where ext4 keeps its magic.
    let reason = refusal(|folder| flip(&folder.join("scratch.img"), 1080)).await;
    assert!(
        reason.contains("scratch disk fails its checksum"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_template_of_another_version_is_refused_by_name() {
    let reason = refusal(|folder| {
        let path = folder.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replace("\"version\": 2,\n  \"id\"", "\"version\": 3,\n  \"id\""),
        )
        .unwrap();
    })
    .await;
    assert!(reason.contains("format version 3"), "{reason}");
}

#[tokio::test]
async fn what_is_in_use_is_not_removed() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let refused = world
        .node
        .remove_template(&lease.template)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            AdminError::InUse {
                kind: "template",
                ..
            }
        ),
        "{refused:?}"
    );
    let refused = world.node.remove_image(FAKE_IMAGE).await.unwrap_err();
    assert!(
        matches!(refused, AdminError::InUse { kind: "image", .. }),
        "{refused:?}"
    );
    world.node.release(&lease.id);
    world.pool_is(|pool| pool.leased == 0).await;
    world.node.remove_template(&lease.template).await.unwrap();
    let missing = world
        .node
        .remove_template(&lease.template)
        .await
        .unwrap_err();
    assert!(
        matches!(missing, AdminError::NotFound { .. }),
        "{missing:?}"
    );
    world.node.shut_down().await;
    assert_eq!(world.engine.live(), []);
}

#[tokio::test]
async fn an_unknown_image_template_or_shape_is_named() {
    let world = World::new().await;
    let lease = |template| {
        world.node.lease(thaw_pool_manager::LeaseRequest {
            template,
            start_within: Duration::from_secs(30),
        })
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = |image: &str, vcpus, memory_mib| TemplateSelector::Image {
        image: image.to_owned(),
        shape: thaw_pool_manager::vmm::Shape { vcpus, memory_mib },
    };
    let unknown = lease(image(&digest, 1, 256)).await.unwrap_err();
    assert!(
        matches!(unknown, LeaseError::UnknownImage { .. }),
        "{unknown:?}"
    );
    let unknown = lease(TemplateSelector::Template(TemplateId::new("no")))
        .await
        .unwrap_err();
    assert!(
        matches!(unknown, LeaseError::UnknownTemplate(_)),
        "{unknown:?}"
    );
    for (vcpus, memory_mib) in [(0, 256), (33, 256), (1, 64), (1, 70_000)] {
        let bad = lease(image(FAKE_IMAGE, vcpus, memory_mib))
            .await
            .unwrap_err();
        assert!(matches!(bad, LeaseError::BadShape(_)), "{bad:?}");
    }
    world.close().await;
}
