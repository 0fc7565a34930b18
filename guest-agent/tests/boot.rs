//! The agent as PID 1 of a real machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{
    guest::Guest,
    host::{Host, argv, shell},
};
use thaw_guest_protocol::{
    ExitStatus, FailureKind, Opening, PROTOCOL_VERSION, PtySize, Reply, Request, SecretBytes, Wake,
};

#[tokio::test]
async fn a_machine_boots_runs_programs_and_answers_one_host_after_the_other() {
    let mut guest = Guest::boot().await;
    let host = guest.connect().await;
    let Reply::Info(info) = host.call(Request::Info).await.unwrap() else {
        panic!("not an info")
    };
    assert_eq!(info.protocol, PROTOCOL_VERSION);
    assert!(info.kernel.ends_with("-cloud-amd64"), "{info:?}");
    assert_eq!(info.interpreters, []);

    streams_and_codes(&host).await;
    the_system_is_whole(&host).await;
    host.call(Request::Prepare { env: Vec::new() })
        .await
        .unwrap();

    // A program dies with the session that asked for it.
    let mut sleeping = host
        .start(Request::Exec(shell("echo up; exec sleep 1000")))
        .await;
    sleeping.until("up").await;
    drop((sleeping, host));
    let host = guest.connect().await;
    let left = host
        .shell("ps -o args | grep -c '[s]leep 1000'; ps -o stat | grep -c '^Z'")
        .await;
    assert_eq!(left.out(), "0\n0\n");

    wakes(&host).await;
    host.call(Request::Shutdown).await.unwrap();
    drop(host);
    assert!(guest.ended().await, "the machine did not power off");
    // The kernel's own lines begin with a time stamp.
    let console = guest.console();
    let mut said = console.lines().filter(|line| !line.starts_with('['));
    assert_eq!(said.next(), None, "the agent is not quiet");
}

async fn streams_and_codes(host: &Host) {
    let outcome = host.shell("echo out; echo err >&2; exit 3").await;
    assert_eq!((outcome.out(), outcome.err()), ("out\n", "err\n"));
    assert_eq!(outcome.exit.status, ExitStatus::Exited(3));
    let failure = host.exec(argv(&["no-such-program"])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ProgramNotFound);
    let mut exec = argv(&["id", "-u"]);
    exec.user = Some("ada".into());
    assert_eq!(host.exec(exec).await.unwrap().out(), "1000\n");
    let mut exec = shell("test -t 0 && stty size");
    exec.pty = Some(PtySize { cols: 80, rows: 24 });
    assert_eq!(host.exec(exec).await.unwrap().out(), "24 80\r\n");
}

async fn the_system_is_whole(host: &Host) {
    let lines = "
        test -d /proc/self && test -d /sys/class && echo 1
        test -c /dev/null && test -c /dev/pts/ptmx && test -d /dev/shm && echo 2
        echo x > /run/x && echo x > /etc/x && mv /etc /etc2 && mv /etc2 /etc && echo 3
        cat < /dev/null > /dev/stdout && echo 4
        umask; ulimit -n; ulimit -H -n
        cat /etc/machine-id; cat /etc/resolv.conf; hostname
        (sleep 0.05 &) ; test -e /init || test -e /modules || echo 5";
    let outcome = host.shell(lines).await;
    let expected = "1\n2\n3\n4\n0022\n1024\n524288\nuninitialized\nthaw\n5\n";
    assert_eq!((outcome.out(), outcome.err()), (expected, ""));
    let Reply::Usage(usage) = host.call(Request::Usage).await.unwrap() else {
        panic!("not a usage")
    };
    assert!(usage.memory_total_bytes > 200 << 20, "{usage:?}");
    assert!(usage.disk_available_bytes > 30 << 20, "{usage:?}");
    assert!(usage.processes >= 1 && usage.cpu_us > 0, "{usage:?}");
}

async fn wakes(host: &Host) {
    let wake = |entropy: u8, length: usize| Wake {
        entropy: SecretBytes(vec![entropy; length]),
        wall_clock_ns: 1_900_000_000_000_000_000,
        hostname: Some("clone-7".into()),
        machine_id: Some("0123456789abcdef0123456789abcdef".into()),
    };
    let request = || {
        Request::Exec(shell(
            "hostname; cat /etc/hostname /etc/machine-id; date +%s; grep -c clone-7 /etc/hosts",
        ))
    };
    let opening = Opening {
        wake: Some(wake(7, 3)),
        request: request(),
    };
    let failure = host.open(&opening).await.outcome().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Wake);
    assert_eq!(host.shell("hostname").await.out(), "thaw\n");

    let opening = Opening {
        wake: Some(wake(7, 64)),
        request: request(),
    };
    let outcome = host.open(&opening).await.outcome().await.unwrap();
    let lines: Vec<_> = outcome.out().lines().collect();
    assert_eq!(
        lines[..3],
        ["clone-7", "clone-7", "0123456789abcdef0123456789abcdef"]
    );
    let clock: u64 = lines[3].parse().unwrap();
    assert!((1_900_000_000..1_900_000_030).contains(&clock), "{clock}");
    assert_eq!(lines[4], "1");
    assert!(outcome.exit.timings.wake_us > 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(
        now < Duration::from_secs(1_900_000_000),
        "this test is out of date"
    );
}

#[tokio::test]
async fn an_idle_agent_uses_no_processor_whether_a_host_is_there_or_not() {
    let guest = Guest::boot().await;
    let host = guest.connect().await;
    host.call(Request::Info).await.unwrap();
    let idle = async || {
        let before = guest.cpu_ticks();
        // Nothing announces itself here: the time is what is measured.
        let _ = tokio::time::timeout(Duration::from_secs(3), std::future::pending::<()>()).await;
        guest.cpu_ticks() - before
    };
    let connected = idle().await;
    drop(host);
    let alone = idle().await;
    // An agent that spins uses 300 ticks.
    assert!(
        connected < 60 && alone < 60,
        "{connected} and {alone} ticks in 3 s"
    );
}
