//! Programs: streams, codes, limits, signals, terminals, and what ends them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::host::{Host, argv, shell};
use thaw_agent::{Agent, Powers};
use thaw_guest_protocol::{
    Control, ExitStatus, FailureKind, Opening, PtySize, Request, SecretBytes, Wake,
};
use tokio::runtime::Handle;

#[tokio::test]
async fn both_streams_come_whole_and_apart_with_the_exit_code() {
    let host = Host::local();
    let outcome = host.shell("echo out; echo err >&2; exit 7").await;
    assert_eq!((outcome.out(), outcome.err()), ("out\n", "err\n"));
    assert_eq!(outcome.exit.status, ExitStatus::Exited(7));
    assert!(!outcome.exit.timed_out && !outcome.exit.stdout_truncated);
    assert!(outcome.exit.timings.run_us > 0);
}

#[tokio::test]
async fn every_byte_arrives_and_in_order() {
    let host = Host::local();
    let mut exec = shell("seq 1 700000; seq 700001 1400000 >&2");
    exec.output_limit_bytes = u64::MAX;
    let outcome = host.exec(exec).await.unwrap();
    let numbers =
        |range: std::ops::RangeInclusive<u32>| range.map(|n| format!("{n}\n")).collect::<String>();
    assert!(outcome.out() == numbers(1..=700_000));
    assert!(outcome.err() == numbers(700_001..=1_400_000));
}

#[tokio::test]
async fn what_lies_in_the_pipe_at_the_end_is_not_lost() {
    let host = Host::local();
    for _ in 0..50 {
        let outcome = host
            .shell("head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2")
            .await;
        assert_eq!(
            (outcome.stdout.len(), outcome.stderr.len()),
            (60_000, 60_000)
        );
    }
}

#[tokio::test]
async fn output_beyond_the_limit_is_thrown_away_and_marked() {
    let host = Host::local();
    let mut exec = shell("head -c 100000000 /dev/zero; echo err >&2");
    exec.output_limit_bytes = 1000;
    let outcome = host.exec(exec).await.unwrap();
    assert_eq!((outcome.stdout.len(), outcome.err()), (1000, "err\n"));
    assert!(outcome.exit.stdout_truncated && !outcome.exit.stderr_truncated);
    assert_eq!(outcome.exit.status, ExitStatus::Exited(0));
}

#[tokio::test]
async fn input_larger_than_a_pipe_goes_through_and_its_end_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let host = Host::local();
    let mut exec = shell(&format!("cat > {}; echo done", copy.display()));
    exec.stdin = true;
    let mut talk = host.start(Request::Exec(exec)).await;
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    talk.stdin(&sent).await;
    talk.end_stdin().await;
    assert_eq!(talk.outcome().await.unwrap().out(), "done\n");
    assert!(std::fs::read(copy).unwrap() == sent);
}

#[tokio::test]
async fn a_program_that_reads_no_input_ends_all_the_same() {
    let host = Host::local();
    let mut exec = shell("exec <&-; echo closed");
    exec.stdin = true;
    let mut talk = host.start(Request::Exec(exec)).await;
    talk.stdin(&[0; 200_000]).await;
    let outcome = talk.outcome().await.unwrap();
    assert_eq!(outcome.out(), "closed\n");
    assert_eq!(host.shell("cat; echo none").await.out(), "none\n");
}

#[tokio::test]
async fn reasons_for_not_starting_are_told_apart() {
    let host = Host::local();
    let kind = async |exec| host.exec(exec).await.unwrap_err().kind;
    assert_eq!(
        kind(argv(&["no-such-program"])).await,
        FailureKind::ProgramNotFound
    );
    assert_eq!(
        kind(argv(&["/no/such"])).await,
        FailureKind::ProgramNotFound
    );
    assert_eq!(
        kind(argv(&["/etc/passwd"])).await,
        FailureKind::ProgramNotExecutable
    );
    assert_eq!(kind(argv(&[])).await, FailureKind::BadRequest);
    assert_eq!(kind(argv(&["a\0b"])).await, FailureKind::BadRequest);
    let mut exec = argv(&["true"]);
    exec.cwd = Some("/no/such".into());
    assert_eq!(kind(exec).await, FailureKind::BadWorkingDirectory);
    let mut exec = argv(&["true"]);
    exec.user = Some("no-such-user".into());
    assert_eq!(kind(exec).await, FailureKind::UnknownUser);
    assert_eq!(
        host.shell("exit 127").await.exit.status,
        ExitStatus::Exited(127)
    );
}

#[tokio::test]
async fn the_program_gets_exactly_the_environment_folder_and_user_that_were_asked_for() {
    let host = Host::local();
    let mut exec = argv(&["env"]);
    exec.env = vec![("A".into(), "1".into()), ("A".into(), "2".into())];
    let outcome = host.exec(exec).await.unwrap();
    let mut lines: Vec<_> = outcome.out().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[..2], ["A=2", "HOME=/root"]);
    assert!(lines[2].starts_with("PATH=/usr/local/sbin:"));
    let mut exec = shell("pwd; id -u; id -g; id -G");
    exec.cwd = Some("/tmp".into());
    exec.user = Some("4242:4243".into());
    assert_eq!(
        host.exec(exec).await.unwrap().out(),
        "/tmp\n4242\n4243\n4243\n"
    );
}

#[tokio::test]
async fn nothing_of_the_agent_leaks_into_a_program() {
    let host = Host::local();
    let outcome = host.shell("ls /proc/self/fd | wc -l; cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)'; ps -o sid= -p $$; echo $$").await;
    let lines: Vec<_> = outcome.out().lines().map(str::trim).collect();
    // 0, 1, 2, the folder that ls reads, and what this test was itself started with.
    assert_eq!(lines[0], (4 + inherited()).to_string());
    for line in &lines[1..4] {
        let (name, mask) = line.split_once(":\t").unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        // 32 and 33 are the C library's own (nptl(7)): nobody can set them through it, and who started
        // this test may have left them ignored.
        assert_eq!(mask & !(3 << 31), 0, "{name} {mask:x}");
    }
    assert_eq!(lines[4], lines[5], "not a session of its own");
}

#[tokio::test]
async fn a_text_without_an_interpreter_line_is_a_shell_script() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, "echo \"$0\" \"$@\"\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap();
    let outcome = Host::local().exec(argv(&[path, "a", "b c"])).await.unwrap();
    assert_eq!(outcome.out(), format!("{path} a b c\n"));
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group_and_says_so() {
    let host = Host::local();
    let mut exec = shell("echo before; sleep 987654 & sleep 987654; echo after");
    exec.timeout_ms = Some(300);
    let began = Instant::now();
    let outcome = host.exec(exec).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(outcome.out(), "before\n");
    assert_eq!(outcome.exit.status, ExitStatus::Signaled(9));
    assert!(outcome.exit.timed_out);
    gone("sleep 987654").await;
}

#[tokio::test]
async fn a_background_child_that_holds_the_output_holds_up_nothing_and_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let host = Host::local();
    let line = format!(
        "(sleep 0.3; echo late; echo late; touch {}) & echo now",
        mark.display()
    );
    let began = Instant::now();
    let outcome = host.shell(&line).await;
    assert_eq!(outcome.out(), "now\n");
    assert!(began.elapsed() < Duration::from_millis(250));
    let line = format!("while ! test -e {}; do sleep 0.05; done", mark.display());
    host.shell(&line).await;
}

#[tokio::test]
async fn a_flood_of_background_output_does_not_keep_a_program_from_ending() {
    let host = Host::local();
    let mut exec = shell("yes & echo $!");
    exec.output_limit_bytes = 1 << 20;
    let outcome = host.exec(exec).await.unwrap();
    assert_eq!(outcome.exit.status, ExitStatus::Exited(0));
    let pid = outcome
        .out()
        .lines()
        .find(|line| *line != "y")
        .unwrap()
        .to_owned();
    host.exec(argv(&["kill", "-9", &pid])).await.unwrap();
}

#[tokio::test]
async fn signals_reach_the_group() {
    let host = Host::local();
    let exec = shell("trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.05; done");
    let mut talk = host.start(Request::Exec(exec)).await;
    talk.until("ready\n").await;
    talk.control(Control::Signal { signal: 999 }).await;
    talk.control(Control::Signal { signal: 10 }).await;
    let outcome = talk.outcome().await.unwrap();
    assert_eq!(outcome.out(), "got it\n");
    assert_eq!(outcome.exit.status, ExitStatus::Exited(5));

    let mut talk = host
        .start(Request::Exec(shell("echo ready; sleep 100")))
        .await;
    talk.until("ready\n").await;
    // Real-time signals too.
    talk.control(Control::Signal { signal: 40 }).await;
    let outcome = talk.outcome().await.unwrap();
    assert_eq!(outcome.exit.status, ExitStatus::Signaled(40));
}

#[tokio::test]
async fn a_terminal_has_a_size_echoes_resizes_and_ends() {
    let host = Host::local();
    let mut exec = shell("stty size; read a; stty size; tty; cat; echo $TERM");
    exec.pty = Some(PtySize { cols: 80, rows: 24 });
    let mut talk = host.start(Request::Exec(exec)).await;
    talk.until("24 80\r\n").await;
    talk.control(Control::Resize(PtySize {
        cols: 100,
        rows: 30,
    }))
    .await;
    talk.stdin(b"hello\n").await;
    talk.end_stdin().await;
    let outcome = talk.outcome().await.unwrap();
    assert!(
        outcome.out().contains("hello\r\n30 100\r\n/dev/pts/"),
        "{outcome:?}"
    );
    assert!(outcome.out().ends_with("xterm-256color\r\n"));
    assert_eq!(outcome.exit.status, ExitStatus::Exited(0));
}

#[tokio::test]
async fn ctrl_c_on_a_terminal_interrupts_the_program() {
    let host = Host::local();
    let mut exec = shell("echo ready; exec sleep 100");
    exec.pty = Some(PtySize { cols: 80, rows: 24 });
    let mut talk = host.start(Request::Exec(exec)).await;
    talk.until("ready").await;
    talk.stdin(&[3]).await;
    let outcome = talk.outcome().await.unwrap();
    assert_eq!(outcome.exit.status, ExitStatus::Signaled(2));
}

#[tokio::test]
async fn a_host_that_leaves_ends_its_programs() {
    let agent = Agent::new(Powers::Visitor, Handle::current());
    let host = Host::of(&agent);
    let mut talk = host
        .start(Request::Exec(shell("echo up; sleep 876543")))
        .await;
    talk.until("up").await;
    drop(talk);
    gone("sleep 876543").await;
    assert_eq!(host.shell("echo still here").await.out(), "still here\n");

    let mut talk = host
        .start(Request::Exec(shell("echo up; sleep 765432")))
        .await;
    talk.until("up").await;
    drop((talk, host));
    gone("sleep 765432").await;
    assert_eq!(Host::of(&agent).shell("echo again").await.out(), "again\n");
}

#[tokio::test]
async fn operations_beyond_the_bound_are_refused_and_those_within_it_work() {
    let host = Host::local();
    let mut talks = Vec::new();
    for _ in 0..256 {
        let mut exec = shell("echo up; cat");
        exec.stdin = true;
        let mut talk = host.start(Request::Exec(exec)).await;
        talk.until("up").await;
        talks.push(talk);
    }
    let failure = host.exec(argv(&["true"])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    for mut talk in talks {
        talk.end_stdin().await;
        assert_eq!(
            talk.outcome().await.unwrap().exit.status,
            ExitStatus::Exited(0)
        );
    }
}

#[tokio::test]
async fn many_programs_leave_no_process_and_no_descriptor() {
    let host = Host::local();
    host.shell("true").await;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..200 {
        let outcome = host.shell("echo a; echo b >&2; echo c").await;
        assert_eq!((outcome.out(), outcome.err()), ("a\nc\n", "b\n"));
    }
    assert_eq!(descriptors(), before);
    let me = std::process::id().to_string();
    let outcome = host
        .exec(argv(&["ps", "--ppid", &me, "-o", "pid="]))
        .await
        .unwrap();
    assert_eq!(outcome.out().lines().count(), 1, "{outcome:?}");
}

#[tokio::test]
async fn bad_openings_and_bad_wake_data_run_nothing() {
    let host = Host::local();
    let opening = Opening {
        wake: Some(Wake {
            entropy: SecretBytes(vec![0; 64]),
            wall_clock_ns: 0,
            hostname: Some("not a name".into()),
            machine_id: Some("0".repeat(32)),
        }),
        request: Request::Exec(argv(&["true"])),
    };
    let failure = host.open(&opening).await.outcome().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Wake);
    let failure = host.call(Request::Shutdown).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::System);
}

/// Descriptors beyond the first three that whoever runs the tests lets their children have.
fn inherited() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let infos = descriptors.filter_map(|entry| {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, std::fs::read_to_string(entry.path()).ok()?))
    });
    let close_on_exec = 0o2_000_000;
    infos
        .filter(|(number, info)| {
            let flags = info
                .lines()
                .find_map(|line| line.strip_prefix("flags:"))
                .unwrap();
            *number > 2 && u32::from_str_radix(flags.trim(), 8).unwrap() & close_on_exec == 0
        })
        .count()
}

/// Ends when no process has this command line any more.
async fn gone(command: &str) {
    let (first, rest) = command.split_at(1);
    let line = format!("while ps -eo args | grep -q '^[{first}]{rest}'; do :; done");
    Host::local().shell(&line).await;
}
