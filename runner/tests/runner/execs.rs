//! Programs in VMs of their own: whoever gives up, at any point, gives the VM back.

use thaw_runner::{
    RunError, RunnerLimits,
    node::{ExecError, StartKind, vmm::protocol::ExitStatus},
};

use crate::support::{World, finish};

#[tokio::test]
async fn each_exec_has_a_vm_of_its_own_that_is_gone_afterwards() {
    let world = World::new(RunnerLimits::default()).await;
    let first = world.once(&["hostname"]).await.unwrap();
    assert_eq!(first.start(), StartKind::Cold);
    let (id, second) = (
        first.vm_id().to_owned(),
        world.once(&["true"]).await.unwrap(),
    );
    assert_ne!(second.vm_id(), id);
    assert_eq!(
        finish(first).await.unwrap(),
        (id.into_bytes(), ExitStatus::Exited(0))
    );
    finish(second).await.unwrap();
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_or_asks_for_nonsense_leaves_no_vm() {
    let world = World::new(RunnerLimits::default()).await;
    let running = world.once(&["hang"]).await.unwrap();
    drop(running);
    world.nothing_is_leased().await;
    let refused = world.once(&[]).await.unwrap_err();
    assert!(
        matches!(refused, RunError::Exec(ExecError::BadRequest(_))),
        "{refused:?}"
    );
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn more_than_is_admitted_is_refused_at_once() {
    let limits = RunnerLimits {
        execs: 1,
        ..RunnerLimits::default()
    };
    let world = World::new(limits).await;
    let running = world.once(&["hang"]).await.unwrap();
    let refused = world.once(&["true"]).await.unwrap_err();
    assert!(
        matches!(refused, RunError::TooMany { limit: 1 }),
        "{refused:?}"
    );
    drop(running);
    finish(world.once(&["true"]).await.unwrap()).await.unwrap();
    world.close().await;
}
