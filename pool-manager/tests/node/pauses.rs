//! Leases that are paused and resumed, on the fake engine.

use crate::support::{World, argv};
use thaw_pool_manager::{ExecError, ExecEvent, ExecInput, ExecRequest, Node as _, NodeVms as _};

#[tokio::test]
async fn a_paused_vm_runs_nothing_new_and_what_ran_goes_on_when_it_is_resumed() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    world.node.keep(&lease.id).await.unwrap();
    let cat = ExecRequest {
        stdin: true,
        ..argv(&["cat"])
    };
    let mut cat = world.node.exec(&lease.id, cat).await.unwrap();
    for _ in 0..2 {
        world.node.pause(&lease.id).await.unwrap();
    }
    let refused = world.run(&lease.id, &["true"]).await;
    assert!(matches!(refused, Err(ExecError::Paused(_))), "{refused:?}");
    for _ in 0..2 {
        world.node.resume(&lease.id).await.unwrap();
    }
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    cat.input
        .send(ExecInput::Stdin("same line".into()))
        .await
        .unwrap();
    let said = cat.output.recv().await.unwrap().unwrap();
    assert!(matches!(&said, ExecEvent::Stdout(bytes) if *bytes == "same line"));
    // As itself: it keeps its name.
    let name = world.run(&lease.id, &["hostname"]).await.unwrap();
    assert_eq!(name.stdout, lease.id.as_str());
    world.node.release(&lease.id);
    world.close().await;
}
