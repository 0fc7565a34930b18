//! VMs that stay: made, found, changed, paused, stopped, deleted.

use std::time::Duration;

use serde_json::json;
use thaw_runner::{
    CountLimits, EventKind, ForkVm, Full, Metadata, NewFile, PausedBy, RunnerLimits, SnapshotError,
    Told, VmChange, VmError, VmFilter, VmStateKind, VmStatus,
    node::{ExecError, StartKind},
};

use crate::support::{World, finish, request};

fn metadata(value: serde_json::Value) -> Metadata {
    Metadata::new(value.as_object().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn a_vm_lives_on_between_its_execs_until_it_is_deleted() {
    let world = World::default().await;
    let id = world.create(Some("web")).await.unwrap().id.to_string();
    let taken = world.create(Some("web")).await.unwrap_err();
    assert!(matches!(taken, VmError::NameTaken(_)), "{taken:?}");
    for name in ["web", id.as_str(), &id[..id.len() - 1]] {
        let running = world
            .runner
            .vm_exec(name, request(&["hostname"]))
            .await
            .unwrap();
        assert_eq!(running.start(), StartKind::Reused);
        assert_eq!(finish(running).await.unwrap().0, id.as_bytes());
    }
    world.runner.delete_vm("web").await.unwrap();
    world.nothing_is_leased().await;
    assert!(matches!(world.runner.vm(&id), Err(VmError::NotFound(_))));
    // The name is free again.
    world.create(Some("web")).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn what_a_vm_does_is_known_though_it_cant_be_written() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    let runner = &world.runner;
    let works = async || {
        let running = runner.vm_exec("web", request(&["true"])).await.unwrap();
        finish(running).await.unwrap();
    };
    // Another program holds the database for longer than a write waits for it.
    let other = rusqlite::Connection::open(world.folder().join("runner.db")).unwrap();
    let hold = || other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let let_go = || other.execute_batch("ROLLBACK").unwrap();
    hold();
    runner.pause_vm("web").await.unwrap_err();
    assert_eq!(runner.vm("web").unwrap().state, VmStatus::Running);
    works().await;
    let_go();
    runner.pause_vm("web").await.unwrap();
    hold();
    runner.resume_vm("web").await.unwrap_err();
    assert_eq!(runner.vm("web").unwrap().state, VmStatus::Running);
    works().await;
    runner.stop_vm("web").await.unwrap_err();
    let stopped = VmStatus::Stopped { reason: None };
    assert_eq!(runner.vm("web").unwrap().state, stopped);
    let_go();
    runner.start_vm("web").await.unwrap();
    works().await;
    world.close().await;
}

#[tokio::test]
async fn of_two_who_make_a_vm_of_one_name_one_is_told_that_it_is_taken() {
    let world = World::default().await;
    let (one, other) = tokio::join!(world.create(Some("web")), world.create(Some("web")));
    let refused = match (one, other) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => panic!("{both:?}"),
    };
    assert!(matches!(refused, VmError::NameTaken(_)), "{refused:?}");
    assert_eq!(world.vms().len(), 1);
    world.close().await;
}

#[tokio::test]
async fn a_caller_who_leaves_while_a_vm_is_made_leaves_no_vm() {
    let world = World::default().await;
    // With a template, so that what is abandoned is the making of the VM itself.
    world.create(None).await.unwrap();
    for polls in 1..60 {
        let mut creating = Box::pin(world.create(Some("left")));
        for _ in 0..polls {
            if futures_poll(&mut creating).await {
                break;
            }
        }
        drop(creating);
        let settled = async {
            while world.runner.vm("left").is_ok() || world.create(Some("left")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled)
            .await
            .unwrap();
        world.runner.delete_vm("left").await.unwrap();
    }
    assert_eq!(world.vms().len(), 1);
    world.close().await;
}

/// Polls once and lets others run; true when it is ready.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let ready = std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
    })
    .await;
    tokio::task::yield_now().await;
    ready
}

#[tokio::test]
async fn a_vm_whose_files_cant_be_written_is_not_there_and_its_name_is_free() {
    let world = World::default().await;
    // Fake guests have no files.
    let refused = world.create_with(Some("web"), |call| {
        call.files = vec![NewFile {
            path: "/etc/motd".to_owned(),
            content: "hello".into(),
        }];
    });
    let refused = refused.await;
    assert!(matches!(refused, Err(VmError::Exec(_))), "{refused:?}");
    assert_eq!(world.vms(), []);
    world.nothing_is_leased().await;
    world.create(Some("web")).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn more_vms_than_the_limit_are_refused_with_whose_limit_it_is() {
    let limits = RunnerLimits {
        vms: CountLimits {
            total: 3,
            per_key: 1,
        },
        ..RunnerLimits::default()
    };
    let world = World::new(limits).await;
    let of_key =
        |key: &'static str| world.create_with(None, move |call| call.owner = Some(key.to_owned()));
    of_key("a").await.unwrap();
    let refused = of_key("a").await.unwrap_err();
    assert!(
        matches!(refused, VmError::Full(Full::Key(1))),
        "{refused:?}"
    );
    of_key("b").await.unwrap();
    of_key("c").await.unwrap();
    let refused = of_key("d").await.unwrap_err();
    assert!(
        matches!(refused, VmError::Full(Full::Node(3))),
        "{refused:?}"
    );
    let id = world.vms()[0].id.to_string();
    world.runner.delete_vm(&id).await.unwrap();
    of_key("d").await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_disk_is_grown_as_far_as_it_may_be_and_a_smaller_one_is_given_more() {
    let world = World::default().await;
    let refused = world
        .create_with(None, |call| call.disk_mib = Some(65_537))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            VmError::DiskTooLarge {
                wanted_mib: 65_537,
                limit_mib: 65_536
            }
        ),
        "{refused:?}"
    );
    let vm = world
        .create_with(None, |call| call.disk_mib = Some(10))
        .await
        .unwrap();
    assert_eq!(vm.disk_bytes, 64 << 20);
    let vm = world
        .create_with(None, |call| call.disk_mib = Some(65))
        .await
        .unwrap();
    assert_eq!(vm.disk_bytes, 65 << 20);
    world.close().await;
}

#[tokio::test]
async fn a_vms_environment_comes_before_a_programs_own() {
    let world = World::default().await;
    let env = [("A", "vm"), ("B", "vm")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    world
        .create_with(Some("web"), |call| call.env = Some(env.into()))
        .await
        .unwrap();
    let mut request = request(&["env"]);
    request.env = vec![("B".to_owned(), "own".to_owned())];
    let running = world.runner.vm_exec("web", request).await.unwrap();
    let (output, _) = finish(running).await.unwrap();
    let output = String::from_utf8(output).unwrap();
    let at = |line: &str| output.lines().position(|found| found == line);
    assert!(at("A=vm").is_some(), "{output}");
    // The last of one name counts.
    assert!(at("B=own") > at("B=vm"), "{output}");
    world.close().await;
}

#[tokio::test]
async fn vms_are_found_by_what_they_are_and_listed_newest_first() {
    let world = World::default().await;
    for (name, user) in [("a", 1), ("b", 2), ("c", 1)] {
        let noted = metadata(json!({"user": user}));
        world
            .create_with(Some(name), |call| call.metadata = Some(noted))
            .await
            .unwrap();
    }
    world.runner.pause_vm("a").await.unwrap();
    let names = |filter: &VmFilter| -> Vec<String> {
        let page = world.runner.vms(filter, None, 10);
        page.items.into_iter().filter_map(|vm| vm.name).collect()
    };
    assert_eq!(names(&VmFilter::default()).len(), 3);
    let of_user = VmFilter {
        metadata: json!({"user": 1}).as_object().unwrap().clone(),
        ..VmFilter::default()
    };
    let mut found = names(&of_user);
    found.sort();
    assert_eq!(found, ["a", "c"]);
    let paused = VmFilter {
        state: Some(VmStateKind::Paused),
        image: Some("tiny".to_owned()),
        ..of_user
    };
    assert_eq!(names(&paused), ["a"]);
    let first = world.runner.vms(&VmFilter::default(), None, 2);
    let second = world
        .runner
        .vms(&VmFilter::default(), first.next.as_ref(), 2);
    assert_eq!((first.items.len(), second.items.len()), (2, 1));
    assert!(second.next.is_none());
    assert!(first.items[0].created_at_ms >= second.items[0].created_at_ms);
    world.close().await;
}

#[tokio::test]
async fn a_change_is_done_as_a_whole_or_not_at_all() {
    let world = World::default().await;
    world.create(Some("a")).await.unwrap();
    world.create(Some("b")).await.unwrap();
    let change = |name: &str, noted: serde_json::Value| VmChange {
        name: Some(name.to_owned()),
        metadata: Some(metadata(noted)),
        ..VmChange::default()
    };
    let refused = world
        .runner
        .change_vm("a", change("b", json!({"n": 1})))
        .await;
    assert!(matches!(refused, Err(VmError::NameTaken(_))), "{refused:?}");
    assert_eq!(world.runner.vm("a").unwrap().metadata, Metadata::default());
    let changed = world
        .runner
        .change_vm("a", change("c", json!({"n": 1})))
        .await
        .unwrap();
    assert_eq!(world.runner.vm("c").unwrap(), changed);
    assert!(world.runner.vm("a").is_err());
    let merge = VmChange {
        merge: json!({"n": null, "m": 2}).as_object().cloned(),
        idle_timeout: Some(Some(Duration::from_secs(9))),
        ..VmChange::default()
    };
    let merged = world.runner.change_vm("c", merge).await.unwrap();
    assert_eq!(merged.metadata, metadata(json!({"m": 2})));
    assert_eq!(merged.idle_timeout, Some(Duration::from_secs(9)));
    world.create(Some("a")).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_paused_vm_refuses_programs_until_it_is_resumed() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    for _ in 0..2 {
        let paused = world.runner.pause_vm("web").await.unwrap();
        assert_eq!(paused.state, VmStatus::Paused(PausedBy::Request));
    }
    let refused = world.run("web", &["true"]).await.unwrap_err();
    assert!(matches!(refused, VmError::Paused(_)), "{refused:?}");
    let refused = world.runner.start_vm("web").await.unwrap_err();
    assert!(matches!(refused, VmError::Paused(_)), "{refused:?}");
    for _ in 0..2 {
        let running = world.runner.resume_vm("web").await.unwrap();
        assert_eq!(running.state, VmStatus::Running);
    }
    world.run("web", &["true"]).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_stopped_vm_refuses_everything_but_start_and_delete() {
    let world = World::default().await;
    world.create(Some("web")).await.unwrap();
    for _ in 0..2 {
        let stopped = world.runner.stop_vm("web").await.unwrap();
        assert_eq!(stopped.state, VmStatus::Stopped { reason: None });
    }
    let stopped = |error: &VmError| matches!(error, VmError::Stopped { .. });
    assert!(stopped(&world.run("web", &["true"]).await.unwrap_err()));
    assert!(stopped(&world.runner.pause_vm("web").await.unwrap_err()));
    assert!(stopped(&world.runner.resume_vm("web").await.unwrap_err()));
    let fork = ForkVm {
        names: vec![None],
        env: None,
        metadata: None,
        owner: None,
        within: Duration::from_secs(30),
    };
    let refused = world.runner.fork_vm("web", fork).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::Vm(error) if stopped(&error)));
    for _ in 0..2 {
        let running = world.runner.start_vm("web").await.unwrap();
        assert_eq!(running.state, VmStatus::Running);
    }
    world.run("web", &["true"]).await.unwrap();
    world.runner.stop_vm("web").await.unwrap();
    world.runner.delete_vm("web").await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_is_deleted_in_mid_exec_ends_the_exec() {
    let world = World::default().await;
    let id = world.create(None).await.unwrap().id.to_string();
    let running = world.runner.vm_exec(&id, request(&["hang"])).await.unwrap();
    world.runner.delete_vm(&id).await.unwrap();
    world.nothing_is_leased().await;
    assert!(matches!(finish(running).await, Err(ExecError::Lost(_))));
    let again = world.runner.delete_vm(&id).await.unwrap_err();
    assert!(matches!(again, VmError::NotFound(_)), "{again:?}");
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_ended_by_itself_is_stopped_and_says_why() {
    let world = World::default().await;
    let id = world.create(Some("web")).await.unwrap().id.to_string();
    world.engine.kill(&id.clone().try_into().unwrap());
    let stopped = world
        .vm_is("web", |vm| vm.state.kind() == VmStateKind::Stopped)
        .await;
    assert!(
        matches!(stopped.state, VmStatus::Stopped { reason: Some(_) }),
        "{stopped:?}"
    );
    let refused = world.run("web", &["true"]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            VmError::Stopped {
                reason: Some(_),
                ..
            }
        ),
        "{refused:?}"
    );
    world.runner.start_vm("web").await.unwrap();
    world.run("web", &["true"]).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn forks_are_all_made_or_none() {
    let world = World::default().await;
    let noted = metadata(json!({"user": 1}));
    world
        .create_with(Some("web"), |call| call.metadata = Some(noted.clone()))
        .await
        .unwrap();
    let fork = |names: &[&str]| ForkVm {
        names: names.iter().map(|name| Some((*name).to_owned())).collect(),
        env: None,
        metadata: None,
        owner: None,
        within: Duration::from_secs(30),
    };
    let refused = world.runner.fork_vm("web", fork(&["a", "web"])).await;
    assert!(
        matches!(refused, Err(SnapshotError::Vm(VmError::NameTaken(_)))),
        "{refused:?}"
    );
    assert_eq!(world.vms().len(), 1);
    let forked = world
        .runner
        .fork_vm("web", fork(&["a", "b"]))
        .await
        .unwrap();
    let names: Vec<_> = forked.vms.iter().map(|vm| vm.name.as_deref()).collect();
    assert_eq!(names, [Some("a"), Some("b")]);
    assert!(forked.vms.iter().all(|vm| vm.metadata == noted));
    for name in ["web", "a", "b"] {
        let host = world.run(name, &["hostname"]).await.unwrap();
        assert_eq!(host, world.runner.vm(name).unwrap().id.as_str());
    }
    world.close().await;
}

#[tokio::test]
async fn what_happens_to_a_vm_is_told_in_order() {
    let world = World::default().await;
    let mut events = world.runner.follow_events(None);
    world.create(Some("web")).await.unwrap();
    world.runner.pause_vm("web").await.unwrap();
    world.runner.pause_vm("web").await.unwrap();
    world.runner.resume_vm("web").await.unwrap();
    world.runner.stop_vm("web").await.unwrap();
    world.runner.start_vm("web").await.unwrap();
    world.runner.delete_vm("web").await.unwrap();
    for expected in [
        EventKind::VmCreated,
        EventKind::VmPaused,
        EventKind::VmResumed,
        EventKind::VmStopped,
        EventKind::VmStarted,
        EventKind::VmDeleted,
    ] {
        match events.next().await {
            Some(Told::Event(event)) => {
                assert_eq!((event.kind, event.name.as_deref()), (expected, Some("web")));
            }
            other => panic!("{other:?}"),
        }
    }
    world.close().await;
}
