//! VMMs that are killed in every phase, and a guest that kills itself.

use std::fs;

use thaw_pool_manager::{ExecError, LeaseError, Node as _, image::ProgressSink};

use crate::world::{World, selector, shell};

#[tokio::test(flavor = "multi_thread")]
async fn a_vmm_that_is_killed_during_a_bake_or_its_trials_leaves_no_template_and_the_next_bake_counts()
 {
    let world = World::new().await;
    for phase in ["bake-", "trial-"] {
        let progress = ProgressSink::none();
        let wanted = selector();
        let baking = world.node.ensure_template(&wanted, &progress);
        let killing = world.eventually(async || {
            let killed = world.kill(|id| id.starts_with(phase));
            (killed > 0).then_some(())
        });
        let (baked, ()) = tokio::join!(baking, killing);
        let error = baked.expect_err("a template of a machine that was killed");
        assert!(matches!(error, LeaseError::Bake(_)), "{phase}: {error:?}");
        let templates = fs::read_dir(world.root.path().join("templates")).unwrap();
        assert_eq!(templates.count(), 0, "{phase}");
        let left = world.eventually(async || world.vmms().is_empty().then_some(()));
        left.await;
    }
    world
        .node
        .ensure_template(&selector(), &ProgressSink::none())
        .await
        .unwrap();
    assert!(world.once("true").await.unwrap().ok());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vmm_that_is_killed_in_any_phase_is_told_and_replaced() {
    let world = World::filled().await;

    // Shells and parked clones: noticed when their processes are reaped, never handed out after that.
    let waiting: Vec<_> = world.vmms().into_iter().map(|(id, _)| id).collect();
    assert_eq!(world.kill(|id| id.starts_with("vm-")), 4);
    while world.node.figures().await.crashes < 4 {
        tokio::task::yield_now().await;
    }
    let lease = world.lease().await.unwrap();
    assert!(!waiting.contains(&lease.id.to_string()));
    assert!(world.run(&lease.id, shell("true")).await.unwrap().ok());

    // Leased, before the next exec.
    assert_eq!(world.kill(|id| id == lease.id.as_str()), 1);
    let error = world.run(&lease.id, shell("true")).await.unwrap_err();
    assert!(
        matches!(
            error,
            ExecError::VmEnded {
                guest_panic: false,
                ..
            }
        ),
        "{error:?}"
    );
    world.node.release(&lease.id);

    // In mid exec.
    let lease = world.lease().await.unwrap();
    let mut handle = world
        .node
        .exec(&lease.id, shell("echo up; sleep 100"))
        .await
        .unwrap();
    handle.output.recv().await.unwrap().unwrap();
    assert_eq!(world.kill(|id| id == lease.id.as_str()), 1);
    let error = handle.output.recv().await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ExecError::VmEnded { reason, .. } if reason.contains("signal 9")),
        "{error:?}"
    );
    world.node.release(&lease.id);

    // While it is being restored or proven.
    let mut killed = 0;
    while killed == 0 {
        let lease = world.lease().await.unwrap();
        world.node.release(&lease.id);
        world.pool_is(|pool| pool.starting > 0).await;
        killed = world.kill(|id| id.starts_with("vm-"));
    }
    world.full().await;
    assert!(world.once("true").await.unwrap().ok());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_kernel_panics_is_told_apart() {
    let world = World::filled().await;
    let error = world
        .once("echo c > /proc/sysrq-trigger; sleep 10")
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ExecError::VmEnded {
                guest_panic: true,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(world.once("true").await.unwrap().ok());
    world.close().await;
}
