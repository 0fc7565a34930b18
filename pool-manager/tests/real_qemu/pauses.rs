//! Pausing real guests.

use crate::world::{World, shell};
use thaw_pool_manager::{ExecEvent, Node as _, NodeVms as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_goes_on_over_a_pause_and_reads_its_random_numbers_to_the_end() {
    let world = World::filled().await;
    let lease = world.lease().await.unwrap();
    world.node.keep(&lease.id).await.unwrap();
    // A long read is cut short by the rest, and goes on after it.
    let read = shell("echo up; head -c 16777216 /dev/urandom | wc -c; echo done");
    let mut reading = world.node.exec(&lease.id, read).await.unwrap();
    let mut said = Vec::new();
    assert!(matches!(reading.output.recv().await, Some(Ok(ExecEvent::Stdout(up))) if up == "up\n"));
    for _ in 0..3 {
        world.node.pause(&lease.id).await.unwrap();
        world.node.resume(&lease.id).await.unwrap();
    }
    while let Some(event) = reading.output.recv().await {
        match event.unwrap() {
            ExecEvent::Stdout(bytes) => said.extend_from_slice(&bytes),
            ExecEvent::Stderr(bytes) => panic!("{}", String::from_utf8_lossy(&bytes)),
            ExecEvent::Exit { exit, .. } => {
                assert!(!exit.timed_out);
                break;
            }
        }
    }
    assert_eq!(String::from_utf8_lossy(&said), "16777216\ndone\n");
    let name = world.run(&lease.id, shell("hostname")).await.unwrap();
    let expected = format!("{}\n", lease.id);
    assert_eq!(String::from_utf8_lossy(&name.stdout), expected);
    world.node.release(&lease.id);
    world.close().await;
}
