//! Snapshots: taken, restored, renamed, removed.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use thaw_runner::{
    CountLimits, ForkVm, Full, KEPT_KEY, Metadata, RunnerLimits, SnapshotChange, SnapshotError,
    TakeSnapshot, VmChange, VmError, VmSource, node::SnapshotId,
};

use crate::support::World;

fn metadata(value: serde_json::Value) -> Metadata {
    Metadata::new(value.as_object().unwrap().clone()).unwrap()
}

fn named(name: &str) -> TakeSnapshot {
    TakeSnapshot {
        name: name.to_owned(),
        id: None,
        metadata: None,
        owner: None,
    }
}

#[tokio::test]
async fn a_vm_restored_from_a_snapshot_has_what_was_noted_unless_it_is_given_more() {
    let world = World::default().await;
    let env: BTreeMap<_, _> = [("A".to_owned(), "1".to_owned())].into();
    let noted = metadata(json!({"user": 1}));
    world
        .create_with(Some("web"), |call| {
            call.env = Some(env.clone());
            call.metadata = Some(noted.clone());
        })
        .await
        .unwrap();
    let taken = world.runner.take_snapshot("web", named("before")).await;
    let taken = taken.unwrap();
    assert_eq!((&taken.metadata, &taken.env), (&noted, &env));
    assert_eq!(taken.vm_name.as_deref(), Some("web"));
    let restored = world
        .create_with(Some("again"), |call| {
            call.source = VmSource::Snapshot("before".to_owned());
        })
        .await
        .unwrap();
    assert_eq!((&restored.metadata, &restored.env), (&noted, &env));
    assert_eq!(restored.snapshot, Some(taken.id.clone()));
    assert_eq!(restored.image_name.as_deref(), Some("tiny"));
    let other = metadata(json!({"user": 2}));
    let restored = world
        .create_with(None, |call| {
            call.source = VmSource::Snapshot(taken.id.to_string());
            call.metadata = Some(other.clone());
            call.env = Some(BTreeMap::new());
        })
        .await
        .unwrap();
    assert_eq!(restored.metadata, other);
    assert!(restored.env.is_empty());
    // What was made of it goes on without it.
    world.runner.delete_snapshot("before").await.unwrap();
    world.run("again", &["true"]).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_snapshots_name_is_its_own_and_can_be_changed() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    let first = world.runner.take_snapshot("web", named("a")).await.unwrap();
    let taken = world.runner.take_snapshot("web", named("a")).await;
    assert!(
        matches!(taken, Err(SnapshotError::NameTaken(_))),
        "{taken:?}"
    );
    let change = SnapshotChange {
        name: Some("b".to_owned()),
        merge: json!({"n": 1}).as_object().cloned(),
        ..SnapshotChange::default()
    };
    let changed = world.runner.change_snapshot("a", change).await.unwrap();
    assert_eq!(changed.metadata, metadata(json!({"n": 1})));
    assert_eq!(world.runner.snapshot("b").unwrap().id, first.id);
    assert_eq!(world.runner.snapshot(first.id.as_str()).unwrap(), changed);
    assert!(world.runner.snapshot("a").is_err());
    world.runner.take_snapshot("web", named("a")).await.unwrap();
    let page = world.runner.snapshots(&Default::default(), None, 10);
    assert_eq!(page.items.len(), 2);
    for name in ["a", "b"] {
        world.runner.delete_snapshot(name).await.unwrap();
    }
    let gone = world.runner.delete_snapshot("a").await;
    assert!(matches!(gone, Err(SnapshotError::NotFound(_))), "{gone:?}");
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_that_is_being_removed_is_not_restored_and_one_being_restored_not_removed() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    for _ in 0..20 {
        world.runner.take_snapshot("web", named("s")).await.unwrap();
        let restore = world.create_with(Some("r"), |call| {
            call.source = VmSource::Snapshot("s".to_owned());
        });
        let (restored, removed) = tokio::join!(restore, world.runner.delete_snapshot("s"));
        match (restored, removed) {
            (Ok(_), Ok(())) => {}
            (Ok(_), Err(SnapshotError::InUse(_))) => {
                world.runner.delete_snapshot("s").await.unwrap();
            }
            (Err(VmError::NoSnapshot(_)), Ok(())) => {}
            other => panic!("{other:?}"),
        }
        if world.runner.vm("r").is_ok() {
            world.runner.delete_vm("r").await.unwrap();
        }
    }
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_the_one_that_has_its_name_or_leaves_it_as_it_was() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    let old = world.runner.take_snapshot("web", named("a")).await.unwrap();
    let new = world.runner.replace_snapshot("web", named("a")).await;
    let new = new.unwrap();
    assert_ne!(new.id, old.id);
    assert_eq!(world.runner.snapshot("a").unwrap(), new);
    assert!(world.runner.snapshot(old.id.as_str()).is_err());
    assert_eq!(world.runner.node().snapshots().await.len(), 1);
    let none = world.runner.replace_snapshot("web", named("b")).await;
    assert!(matches!(none, Err(SnapshotError::NotFound(_))), "{none:?}");
    let by_id = named(new.id.as_str());
    let taken = world.runner.replace_snapshot("web", by_id).await;
    assert!(
        matches!(taken, Err(SnapshotError::NameTaken(_))),
        "{taken:?}"
    );
    world.runner.stop_vm("web").await.unwrap();
    let refused = world.runner.replace_snapshot("web", named("a")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(world.runner.snapshot("a").unwrap(), new);
    assert_eq!(world.runner.node().snapshots().await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn a_kill_on_either_side_of_an_exchange_leaves_one_snapshot_with_the_name() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    let old = world.runner.take_snapshot("web", named("a")).await.unwrap();
    let artifact = |id: &str| {
        let taken = world.taken.lock().unwrap();
        let mut artifact = taken[&old.id].clone();
        artifact.id = id.to_owned().try_into().unwrap();
        (artifact.id.clone(), artifact)
    };
    // Killed before: the new one's artifact is there, its row is not.
    let (new, begun) = artifact("snap-begun");
    world.taken.lock().unwrap().insert(new, begun);
    let (_, left) = artifact(old.id.as_str());
    let world = world.restart().await;
    assert_eq!(world.runner.snapshot("a").unwrap().id, old.id);
    assert_eq!(world.runner.node().snapshots().await.len(), 1);
    // Killed behind it: the old one's artifact is there, its row is not.
    let new = world.runner.replace_snapshot("web", named("a")).await;
    world.taken.lock().unwrap().insert(old.id.clone(), left);
    let world = world.restart().await;
    assert_eq!(world.runner.snapshot("a").unwrap(), new.unwrap());
    assert_eq!(world.runner.node().snapshots().await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn the_mark_of_secrets_goes_along_into_snapshots_restored_vms_and_forks() {
    let world = World::default().await;
    let mark = json!({"mcpServers": {"s": {"env": {"TOKEN": "<redacted>"}}}});
    let marked = metadata(json!({ KEPT_KEY: mark, "user": 1 }));
    world
        .create_with(Some("web"), |call| call.metadata = Some(marked))
        .await
        .unwrap();
    let is_marked = |found: &Metadata, user: u64| {
        assert_eq!(*found, metadata(json!({ KEPT_KEY: mark, "user": user })));
    };
    let other = |user: u64| Some(metadata(json!({ "user": user })));
    let change = VmChange {
        metadata: other(2),
        ..VmChange::default()
    };
    is_marked(
        &world
            .runner
            .change_vm("web", change)
            .await
            .unwrap()
            .metadata,
        2,
    );
    let change = VmChange {
        merge: json!({ KEPT_KEY: null, "user": 3 }).as_object().cloned(),
        ..VmChange::default()
    };
    is_marked(
        &world
            .runner
            .change_vm("web", change)
            .await
            .unwrap()
            .metadata,
        3,
    );
    let mut call = named("s");
    call.metadata = other(4);
    let taken = world.runner.take_snapshot("web", call).await.unwrap();
    is_marked(&taken.metadata, 4);
    let change = SnapshotChange {
        metadata: other(5),
        ..SnapshotChange::default()
    };
    let changed = world.runner.change_snapshot("s", change).await.unwrap();
    is_marked(&changed.metadata, 5);
    let restored = world.create_with(None, |call| {
        call.source = VmSource::Snapshot("s".to_owned());
        call.metadata = other(6);
    });
    is_marked(&restored.await.unwrap().metadata, 6);
    let fork = ForkVm {
        names: vec![None],
        env: None,
        metadata: other(7),
        owner: None,
        within: Duration::from_secs(30),
    };
    let forked = world.runner.fork_vm("web", fork).await.unwrap();
    is_marked(&forked.vms[0].metadata, 7);
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_that_is_gone_is_not_taken_for_one_whose_id_begins_like_its_own() {
    let world = World::new(RunnerLimits::default()).await;
    world.create(Some("web")).await.unwrap();
    let take = |id: &str| TakeSnapshot {
        id: SnapshotId::try_from(id.to_owned()).ok(),
        ..named(id)
    };
    let runner = &world.runner;
    let gone = runner.take_snapshot("web", take("day")).await.unwrap().id;
    runner.take_snapshot("web", take("day-2")).await.unwrap();
    runner.delete_snapshot(&gone).await.unwrap();
    let deleted = runner.delete_snapshot(&gone).await;
    assert!(matches!(deleted, Err(SnapshotError::NotFound(_))));
    let change = SnapshotChange {
        name: Some("other".to_owned()),
        ..SnapshotChange::default()
    };
    let changed = runner.change_snapshot(&gone, change).await;
    assert!(matches!(changed, Err(SnapshotError::NotFound(_))));
    let restored = world.create_with(None, |call| call.source = VmSource::Taken(gone.clone()));
    assert!(matches!(restored.await, Err(VmError::NoSnapshot(_))));
    assert_eq!(runner.snapshot("day").unwrap().name, "day-2");
    world.close().await;
}

#[tokio::test]
async fn more_snapshots_than_the_limit_are_refused_before_one_is_taken() {
    let limits = RunnerLimits {
        snapshots: CountLimits {
            total: 1,
            per_key: 1,
        },
        ..RunnerLimits::default()
    };
    let world = World::new(limits).await;
    world.create(Some("web")).await.unwrap();
    world.runner.take_snapshot("web", named("a")).await.unwrap();
    let refused = world.runner.take_snapshot("web", named("b")).await;
    assert!(
        matches!(refused, Err(SnapshotError::Full(Full::Node(1)))),
        "{refused:?}"
    );
    assert_eq!(world.runner.node().snapshots().await.len(), 1);
    world.runner.delete_snapshot("a").await.unwrap();
    assert_eq!(world.runner.node().snapshots().await.len(), 0);
    world.close().await;
}
