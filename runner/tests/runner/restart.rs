//! A daemon that stops and one that starts again.

use serde_json::json;
use thaw_runner::{Metadata, PausedBy, TakeSnapshot, VmStateKind, VmStatus};

use crate::support::World;

#[tokio::test]
async fn vms_and_snapshots_are_there_after_a_restart_as_they_were() {
    let world = World::default().await;
    let noted = Metadata::new(json!({"user": 1}).as_object().unwrap().clone()).unwrap();
    world
        .create_with(Some("runs"), |call| call.metadata = Some(noted.clone()))
        .await
        .unwrap();
    world.create(Some("paused")).await.unwrap();
    world.create(Some("stopped")).await.unwrap();
    world.runner.pause_vm("paused").await.unwrap();
    world.runner.stop_vm("stopped").await.unwrap();
    let call = TakeSnapshot {
        name: "taken".to_owned(),
        id: None,
        metadata: None,
        owner: None,
    };
    let taken = world.runner.take_snapshot("runs", call).await.unwrap();
    let before = world.vms();

    let world = world.restart().await;
    assert_eq!(world.vms(), before);
    let state = |name: &str| world.runner.vm(name).unwrap().state;
    assert_eq!(state("runs"), VmStatus::Running);
    assert_eq!(state("paused"), VmStatus::Paused(PausedBy::Request));
    assert_eq!(state("stopped").kind(), VmStateKind::Stopped);
    assert_eq!(world.runner.snapshot("taken").unwrap(), taken);
    let host = world.run("runs", &["hostname"]).await.unwrap();
    assert_eq!(host, world.runner.vm("runs").unwrap().id.as_str());
    world.runner.resume_vm("paused").await.unwrap();
    world.run("paused", &["true"]).await.unwrap();
    world.runner.start_vm("stopped").await.unwrap();
    world.run("stopped", &["true"]).await.unwrap();
    assert!(
        world.create(Some("runs")).await.is_err(),
        "the name is taken"
    );
    world.runner.delete_snapshot("taken").await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_vm_whose_vmm_ended_while_no_daemon_ran_is_stopped() {
    let world = World::default().await;
    let id = world.create(Some("web")).await.unwrap().id.to_string();
    let engine = world.engine.clone();
    world.runner.shut_down().await;
    engine.kill(&id.try_into().unwrap());
    let world = world.restart().await;
    let vm = world.runner.vm("web").unwrap();
    assert!(
        matches!(vm.state, VmStatus::Stopped { reason: Some(_) }),
        "{vm:?}"
    );
    world.runner.start_vm("web").await.unwrap();
    world.run("web", &["true"]).await.unwrap();
    world.close().await;
}
