//! A disk that is full, and has room again.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use thaw_api_types::{
    CreateVmRequest, ErrorCode, ForkVmRequest, SnapshotListQuery, TakeSnapshotRequest, VmListQuery,
    VmState,
    client::{Client, ClientError},
};
use thaw_runner::RunnerLimits;

use crate::support::{World, tiny};

/// A file system of its own; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path) -> Self {
        let (kind, size) = (Some("tmpfs"), Some("size=192m"));
        fs::create_dir(path).unwrap();
        mount(kind, path, kind, MsFlags::empty(), size).unwrap();
        Self(path.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let zeroes = vec![0; size];
            let error = loop {
                if let Err(error) = file.write_all(&zeroes) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

#[track_caller]
fn full<T: std::fmt::Debug>(answer: Result<T, ClientError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::DiskFull), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("free space"), "{hint}");
}

/// The names of all VMs and snapshots.
async fn there(client: &Client) -> (Vec<String>, Vec<String>) {
    let vms = client.vms(&VmListQuery::default()).await.unwrap().vms;
    let snapshots = client.snapshots(&SnapshotListQuery::default()).await;
    let mut names: Vec<_> = vms.into_iter().filter_map(|vm| vm.name).collect();
    names.sort_unstable();
    let snapshots = snapshots.unwrap().snapshots.into_iter();
    (names, snapshots.map(|snapshot| snapshot.name).collect())
}

#[tokio::test]
async fn a_full_disk_is_told_leaves_nothing_half_made_and_room_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(&folder.path().join("root"));
    let world = World::on(folder, RunnerLimits::default()).await;
    let client = &world.client;
    let snapshot = |name: &str| TakeSnapshotRequest {
        name: name.to_owned(),
        metadata: None,
    };
    let restore = CreateVmRequest {
        snapshot: Some("moment".to_owned()),
        name: Some("restored".to_owned()),
        ..CreateVmRequest::default()
    };
    let fork: ForkVmRequest = serde_json::from_str(r#"{"names": ["forked"]}"#).unwrap();
    client.create_vm(&tiny("web")).await.unwrap();
    client.create_vm(&tiny("asleep")).await.unwrap();
    client.stop_vm("asleep").await.unwrap();
    let moment = client.take_snapshot("web", &snapshot("moment")).await;
    moment.unwrap();
    let before = there(client).await;
    disk.fill();

    // A pool that has tried in vain tells its last failure, and when it tries again.
    let error = client.create_vm(&tiny("new")).await.unwrap_err();
    let kinds = [Some(ErrorCode::DiskFull), Some(ErrorCode::RestoresFailing)];
    assert!(kinds.contains(&error.code()), "{error:?}");
    assert!(error.to_string().contains("No space left"), "{error}");
    full(client.create_vm(&restore).await);
    full(client.fork_vm("web", &fork).await);
    full(client.take_snapshot("web", &snapshot("second")).await);
    assert_eq!(there(client).await, before);

    disk.make_room();
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = client.create_vm(&tiny("new")).await {
        assert_eq!(error.code(), Some(ErrorCode::RestoresFailing), "{error:?}");
        assert!(Instant::now() < deadline, "room does not mend it: {error}");
    }
    client.create_vm(&restore).await.unwrap();
    client.fork_vm("web", &fork).await.unwrap();
    let second = client.take_snapshot("web", &snapshot("second")).await;
    second.unwrap();
    client.start_vm("asleep").await.unwrap();
    for vm in there(client).await.0 {
        client.delete_vm(&vm).await.unwrap();
    }
    world.close().await;
}

#[tokio::test]
async fn what_is_on_a_full_disk_can_be_paused_stopped_and_removed_by_whoever_has_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(&folder.path().join("root"));
    let world = World::on(folder, RunnerLimits::default()).await;
    let [key] = world.keys();
    let client = &Client::new(&world.server, Some(&key)).unwrap();
    for name in ["web", "asleep", "spare"] {
        client.create_vm(&tiny(name)).await.unwrap();
    }
    client.stop_vm("asleep").await.unwrap();
    let moment = TakeSnapshotRequest {
        name: "moment".to_owned(),
        metadata: None,
    };
    client.take_snapshot("web", &moment).await.unwrap();
    disk.fill();

    for _ in 0..20 {
        assert_eq!(client.pause_vm("web").await.unwrap().state, VmState::Paused);
        let resumed = client.resume_vm("web").await.unwrap();
        assert_eq!(resumed.state, VmState::Running);
    }
    let another = TakeSnapshotRequest {
        name: "another".to_owned(),
        metadata: None,
    };
    full(client.take_snapshot("web", &another).await);
    assert_eq!(client.stop_vm("web").await.unwrap().state, VmState::Stopped);
    client.delete_snapshot("moment").await.unwrap();
    for name in ["asleep", "web", "spare"] {
        client.delete_vm(name).await.unwrap();
    }
    assert_eq!(there(client).await, (Vec::new(), Vec::new()));
    disk.make_room();
    client.create_vm(&tiny("web")).await.unwrap();
    client.delete_vm("web").await.unwrap();
    world.close().await;
}
