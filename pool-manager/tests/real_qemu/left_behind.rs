//! Many VMs come and go, and nothing of them stays.

use std::fs;

use thaw_pool_manager::Node as _;

use crate::world::{World, shell};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_execs_and_a_burst_of_eight_leave_no_process_descriptor_or_folder() {
    let world = World::filled().await;
    assert!(world.once("true").await.unwrap().ok());
    world.full().await;
    let (before, vmms) = (descriptors(), world.vmms().len());
    assert_eq!(vmms, 4);
    for n in 0..50 {
        let ran = world
            .once(&format!("echo out {n}; echo err {n} >&2; echo end"))
            .await
            .unwrap();
        assert_eq!(ran.stdout, format!("out {n}\nend\n").as_bytes());
        assert_eq!(ran.stderr, format!("err {n}\n").as_bytes());
    }
    let mut burst = Vec::new();
    for _ in 0..8 {
        burst.push(world.lease().await.unwrap());
    }
    for lease in &burst {
        assert!(world.run(&lease.id, shell("true")).await.unwrap().ok());
        world.node.release(&lease.id);
    }
    // The burst has raised the demand; the comparison is by VMM.
    let pool = world.pool_is(|pool| {
        pool.leased == 0 && pool.starting == 0 && pool.parked == pool.target && pool.shells == 2
    });
    let pool = pool.await;
    let kept = (pool.parked + pool.shells) as usize;
    assert_eq!(world.node.figures().await.vmms as usize, kept);
    assert_eq!(world.vmms().len(), kept);
    let each = before.div_ceil(vmms);
    let allowed = before + (kept - vmms.min(kept)) * each;
    let after = descriptors();
    assert!(
        after <= allowed,
        "{before} descriptors for {vmms} VMMs before, {after} for {kept} after"
    );
    assert_eq!(world.node.figures().await.crashes, 0);
    world.close().await;
}
