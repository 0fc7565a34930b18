//! What a user sees of an exec in a fresh VM.

use std::time::Duration;

use thaw_pool_manager::{
    ExecError, ExecRequest, Node as _, StartKind,
    vmm::protocol::{ExitStatus, FailureKind},
};

use crate::world::{World, argv, shell};

#[tokio::test(flavor = "multi_thread")]
async fn programs_run_in_fresh_clones_and_their_outcome_is_told_apart() {
    let world = World::filled().await;
    let lease = world.lease().await.unwrap();
    assert_eq!(lease.start, StartKind::Parked);
    let ran = world
        .run(&lease.id, shell("hostname; echo oops >&2; exit 7"))
        .await
        .unwrap();
    assert_eq!(ran.stdout, format!("{}\n", lease.id).as_bytes());
    assert_eq!(
        (&ran.stderr[..], ran.exit.status),
        (&b"oops\n"[..], ExitStatus::Exited(7))
    );
    let missing = world
        .run(&lease.id, argv(&["no-such-program"]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            missing,
            ExecError::Refused {
                kind: FailureKind::ProgramNotFound,
                ..
            }
        ),
        "{missing:?}"
    );
    let own = world.run(&lease.id, shell("exit 127")).await.unwrap();
    assert_eq!(own.exit.status, ExitStatus::Exited(127));
    world.node.release(&lease.id);

    // Bytes of every value come back as they are.
    let ran = world
        .once(r"for i in 0 1 2 3 4 5 6 7; do printf '\000\377\200\n'; done")
        .await
        .unwrap();
    assert_eq!(ran.stdout, b"\0\xff\x80\n".repeat(8));

    let request = ExecRequest {
        timeout: Some(Duration::from_millis(500)),
        ..shell("sleep 100 & sleep 100")
    };
    let lease = world.lease().await.unwrap();
    let ran = world.run(&lease.id, request).await.unwrap();
    assert!(ran.exit.timed_out);
    let ran = world
        .run(&lease.id, shell("echo still here"))
        .await
        .unwrap();
    assert_eq!(ran.stdout, b"still here\n");
    let request = ExecRequest {
        output_limit_bytes: 100_000,
        ..shell("head -c 3000000 /dev/zero")
    };
    let ran = world.run(&lease.id, request).await.unwrap();
    assert_eq!(
        (ran.stdout.len(), ran.exit.stdout_truncated),
        (100_000, true)
    );
    world.node.release(&lease.id);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clones_of_one_template_draw_different_random_bytes_and_know_the_time() {
    let world = World::filled().await;
    let draw = "od -A n -t x1 -N 16 /dev/urandom; cat /etc/machine-id /proc/sys/kernel/random/uuid";
    let (first, second) = tokio::join!(world.once(draw), world.once(draw));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.ok() && second.ok());
    let lines = |ran: &[u8]| {
        let text = String::from_utf8(ran.to_vec()).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (lines(&first.stdout), lines(&second.stdout));
    assert_eq!(first.len(), 3, "{first:?}");
    for (one, other) in first.iter().zip(&second) {
        assert_ne!(one, other);
    }
    world.close().await;
}
