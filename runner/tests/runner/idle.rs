//! VMs that nobody uses, and VMs whose time is over.

use std::time::Duration;

use thaw_runner::{PausedBy, VmChange, VmError, VmStatus};

use crate::support::{World, request};

fn idle(vm: &thaw_runner::VmInfo) -> bool {
    vm.state == VmStatus::Paused(PausedBy::Idle)
}

#[tokio::test]
async fn a_vm_that_nobody_uses_is_paused_and_the_next_request_wakes_it() {
    let world = World::default().await;
    let id = world
        .create_with(Some("web"), |call| {
            call.idle_timeout = Some(Duration::from_millis(1));
        })
        .await
        .unwrap()
        .id;
    for _ in 0..3 {
        world.vm_is("web", idle).await;
        assert_eq!(world.run("web", &["hostname"]).await.unwrap(), id.as_str());
    }
    world.close().await;
}

#[tokio::test]
async fn a_vm_is_not_idle_while_a_program_runs_in_it() {
    let world = World::default().await;
    world
        .create_with(Some("web"), |call| {
            call.idle_timeout = Some(Duration::from_millis(1));
        })
        .await
        .unwrap();
    let running = world
        .runner
        .vm_exec("web", request(&["hang"]))
        .await
        .unwrap();
    // Another VM becomes idle meanwhile, so there was time for it.
    world
        .create_with(Some("other"), |call| {
            call.idle_timeout = Some(Duration::from_millis(50));
        })
        .await
        .unwrap();
    world.vm_is("other", idle).await;
    assert_eq!(world.runner.vm("web").unwrap().state, VmStatus::Running);
    drop(running);
    world.vm_is("web", idle).await;
    world.close().await;
}

#[tokio::test]
async fn many_requests_wake_an_idle_vm_at_once_and_all_are_served() {
    let world = World::default().await;
    world
        .create_with(Some("web"), |call| {
            call.idle_timeout = Some(Duration::from_millis(1));
        })
        .await
        .unwrap();
    for _ in 0..5 {
        world.vm_is("web", idle).await;
        let (a, b, c) = tokio::join!(
            world.run("web", &["true"]),
            world.run("web", &["true"]),
            world.run("web", &["true"]),
        );
        a.and(b).and(c).unwrap();
    }
    world.close().await;
}

#[tokio::test]
async fn who_pauses_an_idle_vm_keeps_it_from_being_woken() {
    let world = World::default().await;
    world
        .create_with(Some("web"), |call| {
            call.idle_timeout = Some(Duration::from_millis(1));
        })
        .await
        .unwrap();
    world.vm_is("web", idle).await;
    world.runner.pause_vm("web").await.unwrap();
    let refused = world.run("web", &["true"]).await.unwrap_err();
    assert!(matches!(refused, VmError::Paused(_)), "{refused:?}");
    world.close().await;
}

#[tokio::test]
async fn a_vm_is_deleted_when_its_time_is_over_also_when_that_is_said_later() {
    let world = World::default().await;
    world
        .create_with(Some("short"), |call| {
            call.max_lifetime = Some(Duration::from_millis(300));
        })
        .await
        .unwrap();
    world.create(Some("long")).await.unwrap();
    world.vm_is_gone("short").await;
    let change = VmChange {
        max_lifetime: Some(Some(Duration::from_millis(1))),
        ..VmChange::default()
    };
    world.runner.change_vm("long", change).await.unwrap();
    world.vm_is_gone("long").await;
    world.nothing_is_leased().await;
    world.close().await;
}
