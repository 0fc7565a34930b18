//! Programs at rest: in a real machine, and the gate alone without one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use support::{
    guest::Guest,
    host::{Host, shell},
};
use thaw_guest_protocol::{Reply, Request};

#[tokio::test]
async fn at_rest_nothing_runs_and_what_ran_goes_on_or_is_kept_for_the_next_host() {
    let guest = Guest::boot().await;
    let host = guest.connect().await;
    host.call(Request::Prepare { env: Vec::new() })
        .await
        .unwrap();
    // One in the root of the hierarchy, with a child; one in a group that a user made.
    let spin = "while :; do i=$((i+1)); test $((i % 2000)) = 0 && echo $i; done";
    let plain = format!("({spin}) & {spin}");
    let grouped = format!(
        "mkdir /sys/fs/cgroup/mine && echo $$ > /sys/fs/cgroup/mine/cgroup.procs && {spin}"
    );
    let mut first = host.start(Request::Exec(shell(&plain))).await;
    let mut second = host.start(Request::Exec(shell(&grouped))).await;
    first.until("2000").await;
    second.until("2000").await;

    quiesce(&host).await;
    quiesce(&host).await;
    // Their output is taken, so that nothing else can hold them up.
    let spent = async {
        // Nothing announces itself here: the time is what is measured.
        let _ = tokio::time::timeout(Duration::from_secs(3), std::future::pending::<()>()).await;
    };
    let before = guest.cpu_ticks();
    tokio::select! {
        () = drain(&mut first) => {}
        () = drain(&mut second) => {}
        () = spent => {}
    }
    let ticks = guest.cpu_ticks() - before;
    // A program that spins uses 300.
    assert!(ticks < 60, "{ticks} ticks in 3 s at rest");

    let asked = host
        .start(Request::Exec(shell(
            "cat /sys/fs/cgroup/mine/cgroup.freeze",
        )))
        .await;
    let Reply::Info(_) = host.call(Request::Info).await.unwrap() else {
        panic!("not an info")
    };
    host.call(Request::Continue).await.unwrap();
    assert_eq!(asked.outcome().await.unwrap().out(), "0\n");
    first.until("000").await;
    second.until("000").await;

    // The host goes away while the guest is at rest: the next one finds the programs, and not before it says so.
    quiesce(&host).await;
    drop((first, second, host));
    let host = guest.connect().await;
    host.call(Request::Continue).await.unwrap();
    let left = "ps -o args | grep -c '[w]hile :'";
    assert_eq!(host.shell(left).await.out(), "3\n");
    // From here on they are like any other.
    quiesce(&host).await;
    host.call(Request::Continue).await.unwrap();
    host.shell("kill -9 -1 2>/dev/null; :").await;
}

#[tokio::test]
async fn a_program_asked_for_at_rest_starts_when_the_guest_goes_on() {
    let host = Host::local();
    quiesce(&host).await;
    let mut asked = host.start(Request::Exec(shell("echo ran"))).await;
    assert!(matches!(
        host.call(Request::Info).await.unwrap(),
        Reply::Info(_)
    ));
    let early = tokio::time::timeout(Duration::from_millis(50), asked.frame()).await;
    assert!(early.is_err(), "{early:?}");
    host.call(Request::Continue).await.unwrap();
    assert_eq!(asked.outcome().await.unwrap().out(), "ran\n");
    // To go on is no error when nothing stands still.
    host.call(Request::Continue).await.unwrap();
}

async fn quiesce(host: &Host) {
    let reply = host
        .call(Request::Quiesce { handover: None })
        .await
        .unwrap();
    assert!(matches!(reply, Reply::Done));
}

async fn drain(talk: &mut support::host::Talk) {
    while talk.frame().await.is_some() {}
}
