//! Leases and execs on the fake engine: the good path, and every way in which a guest can misbehave.

use std::time::Duration;

use crate::support::{World, argv};
use bytes::Bytes;
use thaw_pool_manager::{
    ExecError, ExecEvent, ExecInput, ExecProgram, ExecRequest, Node as _, StartKind,
    vmm::protocol::{ExitStatus, FailureKind},
};

#[tokio::test]
async fn a_program_runs_in_a_clone_that_is_woken_and_replaced() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    assert_eq!(lease.start, StartKind::Cold);
    let ran = world.run(&lease.id, &["echo", "hello"]).await.unwrap();
    assert_eq!(
        (ran.stdout.as_ref(), ran.exit.status),
        (&b"hello\n"[..], ExitStatus::Exited(0))
    );
    // The wake gave it its own name.
    let ran = world.run(&lease.id, &["hostname"]).await.unwrap();
    assert_eq!(ran.stdout, lease.id.as_str());
    world.node.release(&lease.id);
    assert!(matches!(
        world.run(&lease.id, &["true"]).await,
        Err(ExecError::UnknownLease(_))
    ));

    world.full().await;
    let parked = world.lease().await.unwrap();
    assert_eq!(parked.start, StartKind::Parked);
    assert_ne!(parked.id, lease.id);
    assert!(world.run(&parked.id, &["true"]).await.unwrap().ok());
    world.node.release(&parked.id);
    let pool = world.full().await;
    assert_eq!((pool.leased, pool.waiting), (0, 0));
    world.close().await;
}

#[tokio::test]
async fn eight_callers_at_once_each_get_a_clone_of_their_own() {
    let world = World::new().await;
    let first = world.lease().await.unwrap();
    world.node.release(&first.id);
    world.full().await;
    let leases = futures(8, || world.lease()).await;
    let mut ids: Vec<_> = leases.into_iter().map(|lease| lease.unwrap().id).collect();
    for id in &ids {
        assert!(world.run(id, &["true"]).await.unwrap().ok());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    for id in &ids {
        world.node.release(id);
    }
    world.close().await;
}

async fn futures<T, F: Future<Output = T>>(count: usize, make: impl Fn() -> F) -> Vec<T> {
    let mut pending: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    let mut done = Vec::new();
    while !pending.is_empty() {
        let (value, index) = std::future::poll_fn(|cx| {
            for (index, future) in pending.iter_mut().enumerate() {
                if let std::task::Poll::Ready(value) = future.as_mut().poll(cx) {
                    return std::task::Poll::Ready((value, index));
                }
            }
            std::task::Poll::Pending
        })
        .await;
        drop(pending.remove(index));
        done.push(value);
    }
    done
}

#[tokio::test]
async fn input_is_forwarded_and_its_end_too() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let request = ExecRequest {
        stdin: true,
        ..argv(&["cat"])
    };
    let mut handle = world.node.exec(&lease.id, request).await.unwrap();
    let big = Bytes::from(vec![b'i'; 300_000]);
    let send = async {
        handle
            .input
            .send(ExecInput::Stdin(big.clone()))
            .await
            .unwrap();
        handle.input.send(ExecInput::StdinEnd).await.unwrap();
    };
    let receive = async {
        let mut bytes = 0;
        while let Some(event) = handle.output.recv().await {
            match event.unwrap() {
                ExecEvent::Stdout(piece) => bytes += piece.len(),
                ExecEvent::Stderr(_) => panic!("nothing writes to standard error"),
                ExecEvent::Exit { exit, .. } => assert_eq!(exit.status, ExitStatus::Exited(0)),
            }
        }
        bytes
    };
    let ((), bytes) = tokio::join!(send, receive);
    assert_eq!(bytes, 300_000);
    world.close().await;
}

#[tokio::test]
async fn what_the_guest_refuses_leaves_its_vm_usable() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let refused = world
        .run(&lease.id, &["no-such-program"])
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            ExecError::Refused {
                kind: FailureKind::ProgramNotFound,
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    assert_eq!(
        world
            .run(&lease.id, &["exit", "127"])
            .await
            .unwrap()
            .exit
            .status,
        ExitStatus::Exited(127)
    );
    let empty = world.run(&lease.id, &[]).await.unwrap_err();
    assert!(matches!(empty, ExecError::BadRequest(_)));
    world.close().await;
}

#[tokio::test]
async fn a_request_too_large_to_be_handed_over_ahead_runs_too() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let code = "x".repeat(900_000);
    let request = ExecRequest {
        program: ExecProgram::Code {
            language: thaw_pool_manager::vmm::protocol::Language::Python,
            code: code.clone(),
            keep_interpreter: false,
        },
        ..argv(&[])
    };
    let ran = world.run_request(&lease.id, request).await.unwrap();
    assert_eq!(ran.stdout, code);
    world.close().await;
}

#[tokio::test]
async fn a_guest_that_sends_nonsense_too_much_or_nothing_is_ended() {
    let world = World::new().await;
    for program in ["garbage", "flood", "cut"] {
        let lease = world.lease().await.unwrap();
        let error = world.run(&lease.id, &[program]).await.unwrap_err();
        assert!(matches!(error, ExecError::Lost(_)), "{program}: {error:?}");
        let gone = world.run(&lease.id, &["true"]).await.unwrap_err();
        assert!(matches!(gone, ExecError::Lost(_)), "{program}: {gone:?}");
        world.pool_is(|pool| pool.leased == 0).await;
        world.node.release(&lease.id);
    }
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_ends_in_mid_exec_is_told_with_its_reason() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let error = world.run(&lease.id, &["crash"]).await.unwrap_err();
    assert!(
        matches!(&error, ExecError::VmEnded { reason, guest_panic: false } if reason.contains("signal 9")),
        "{error:?}"
    );
    let lease = world.lease().await.unwrap();
    let error = world.run(&lease.id, &["panic"]).await.unwrap_err();
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
    world.pool_is(|pool| pool.leased == 0).await;
    assert_eq!(world.node.figures().await.crashes, 2);
    world.close().await;
}

#[tokio::test]
async fn a_leased_vm_that_is_killed_before_its_first_exec_says_so() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    world
        .engine
        .kill(&lease.id.as_str().to_owned().try_into().unwrap());
    let error = world.run(&lease.id, &["true"]).await.unwrap_err();
    assert!(matches!(error, ExecError::VmEnded { .. }), "{error:?}");
    world.close().await;
}

#[tokio::test]
async fn a_time_limit_ends_the_program_and_leaves_its_vm_usable() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let request = ExecRequest {
        timeout: Some(Duration::from_millis(20)),
        ..argv(&["hang"])
    };
    let ran = world.run_request(&lease.id, request).await.unwrap();
    assert!(ran.exit.timed_out);
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    world.close().await;
}

#[tokio::test]
async fn an_agent_that_ignores_a_time_limit_is_ended_with_its_vm() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    world.full().await;
    tokio::time::pause();
    let request = ExecRequest {
        timeout: Some(Duration::from_secs(3600)),
        ..argv(&["stuck"])
    };
    let begin = tokio::time::Instant::now();
    let ran = world.run_request(&lease.id, request).await.unwrap();
    assert_eq!(
        (ran.exit.status, ran.exit.timed_out),
        (ExitStatus::Signaled(9), true)
    );
    assert_eq!(begin.elapsed().as_secs(), 3602);
    assert!(world.run(&lease.id, &["true"]).await.is_err());
    world.close().await;
}

#[tokio::test]
async fn a_caller_that_drops_its_handle_ends_the_program_and_nothing_else() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let handle = world.node.exec(&lease.id, argv(&["hang"])).await.unwrap();
    drop(handle);
    assert!(world.run(&lease.id, &["true"]).await.unwrap().ok());
    world.close().await;
}

#[tokio::test]
async fn a_release_ends_what_runs() {
    let world = World::new().await;
    let lease = world.lease().await.unwrap();
    let mut handle = world.node.exec(&lease.id, argv(&["hang"])).await.unwrap();
    world.node.release(&lease.id);
    let last = handle.output.recv().await.unwrap();
    assert!(matches!(last, Err(ExecError::Lost(_))), "{last:?}");
    assert!(handle.output.recv().await.is_none());
    world.close().await;
}
