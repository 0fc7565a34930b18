//! Programs in the background of a machine.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use thaw_api_types::{
    BackgroundExec, ForkVmRequest, OutputQuery, VmExecRequest,
    client::{BackgroundEvent, BackgroundStream, Client},
};

use super::world::{VM, World, refused};

#[test]
fn programs_in_the_background_outlive_whoever_started_them() {
    let mut world = World::new();
    one_is_started_looked_at_followed_and_signalled(&world);
    output_is_kept_to_a_bound_and_a_gap_is_told(&world);
    a_time_limit_and_a_removal_end_one(&world);
    what_makes_no_sense_is_told(&world);
    the_commands_do_the_same(&world);
    the_oldest_that_has_ended_makes_room(&world);
    one_goes_on_in_a_fork(&world);
    one_runs_on_when_the_daemon_is_killed(&mut world);
}

fn start(world: &World, line: &str) -> BackgroundExec {
    let request = VmExecRequest {
        command: Some(line.to_owned()),
        ..VmExecRequest::default()
    };
    world.wait(world.client.start_exec(VM, &request)).unwrap()
}

fn find(world: &World, id: u64) -> BackgroundExec {
    world.wait(world.client.find_exec(VM, id)).unwrap()
}

fn ended(world: &World, id: u64) -> BackgroundExec {
    let begin = Instant::now();
    loop {
        let exec = find(world, id);
        if !exec.running {
            return exec;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{exec:?}");
    }
}

fn follow(world: &World, id: u64) -> BackgroundStream {
    let query = OutputQuery::default();
    world
        .wait(world.client.follow_exec(VM, id, &query))
        .unwrap()
}

/// Reads until this was written to standard output.
fn until(world: &World, stream: &mut BackgroundStream, wanted: &str) {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        match world.wait(stream.next()).unwrap() {
            BackgroundEvent::Stdout(chunk) => seen.push_str(&chunk.data),
            BackgroundEvent::Stderr(_) => {}
            other => panic!("{other:?} after {seen:?}"),
        }
    }
}

fn to_the_end(world: &World, stream: &mut BackgroundStream) -> BackgroundExec {
    loop {
        if let BackgroundEvent::Exec(exec) = world.wait(stream.next()).unwrap() {
            return exec;
        }
    }
}

fn one_is_started_looked_at_followed_and_signalled(world: &World) {
    let line = "trap 'echo got; exit 7' USR1; echo up; echo bad >&2; while :; do sleep 0.1; done";
    let exec = start(world, line);
    assert!(exec.running && exec.exit_code.is_none());
    assert_eq!(exec.command, line);
    let mut stream = follow(world, exec.id);
    // It is over when a signal is its own.
    let mut seen = (String::new(), String::new());
    while !(seen.0.contains("up\n") && seen.1.contains("bad\n")) {
        match world.wait(stream.next()).unwrap() {
            BackgroundEvent::Stdout(chunk) => seen.0.push_str(&chunk.data),
            BackgroundEvent::Stderr(chunk) => seen.1.push_str(&chunk.data),
            other => panic!("{other:?}"),
        }
    }
    let list = world.wait(world.client.execs(VM)).unwrap().execs;
    assert_eq!(list.iter().filter(|one| one.id == exec.id).count(), 1);
    world
        .wait(world.client.signal_exec(VM, exec.id, 10))
        .unwrap();
    until(world, &mut stream, "got\n");
    let end = to_the_end(world, &mut stream);
    assert_eq!(
        (end.running, end.exit_code, end.signal),
        (false, Some(7), None)
    );
    assert!(end.ended_at_ms >= Some(end.started_at_ms));
    let query = OutputQuery::default();
    let all = world
        .wait(world.client.exec_output(VM, exec.id, &query))
        .unwrap();
    assert_eq!(all.stdout, "up\ngot\n");
    // Its whole group got the signal, and the shell says what became of its child.
    assert!(all.stderr.starts_with("bad\n"), "{}", all.stderr);
    assert_eq!(all.exec, end);
    let query = OutputQuery {
        stdout_from: 3,
        stderr_from: all.stderr_next,
        ..OutputQuery::default()
    };
    let rest = world
        .wait(world.client.exec_output(VM, exec.id, &query))
        .unwrap();
    assert_eq!((rest.stdout.as_str(), rest.stderr.as_str()), ("got\n", ""));
    // A signal to one that has ended is no error.
    world
        .wait(world.client.signal_exec(VM, exec.id, 9))
        .unwrap();
}

fn output_is_kept_to_a_bound_and_a_gap_is_told(world: &World) {
    // It ends although nobody reads it.
    let exec = start(world, "seq 1 200000");
    let end = ended(world, exec.id);
    let total: u64 = (1..=200_000u64)
        .map(|n| n.to_string().len() as u64 + 1)
        .sum();
    assert_eq!(end.stdout.written_bytes, total);
    assert_eq!(end.stdout.lost_bytes, total - (128 << 10));
    let query = OutputQuery::default();
    let kept = world
        .wait(world.client.exec_output(VM, exec.id, &query))
        .unwrap();
    assert_eq!(kept.stdout.len(), 128 << 10);
    assert!(kept.stdout.ends_with("199999\n200000\n"));
    assert_eq!(
        (kept.stdout_from, kept.stdout_next),
        (end.stdout.lost_bytes, total)
    );
    let mut stream = follow(world, exec.id);
    let first = world.wait(stream.next()).unwrap();
    let BackgroundEvent::Missed(missed) = first else {
        panic!("{first:?}");
    };
    assert_eq!(
        (missed.stdout_bytes, missed.stderr_bytes),
        (end.stdout.lost_bytes, 0)
    );
    assert_eq!(to_the_end(world, &mut stream), end);
}

fn a_time_limit_and_a_removal_end_one(world: &World) {
    let request = VmExecRequest {
        command: Some("sleep 1000".to_owned()),
        timeout_ms: Some(200),
        ..VmExecRequest::default()
    };
    let exec = world.wait(world.client.start_exec(VM, &request)).unwrap();
    let end = ended(world, exec.id);
    assert!(end.timed_out && end.signal == Some(9), "{end:?}");
    // Its whole group ends with it.
    let exec = start(world, "sleep 7777 & sleep 7777");
    let gone = world.wait(world.client.remove_exec(VM, exec.id)).unwrap();
    assert_eq!(gone.signal, Some(9));
    world.shell_says(
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 777[7]'",
        "0\n",
    );
    let looked = world.wait(world.client.find_exec(VM, exec.id));
    assert_eq!(refused(looked), "exec_not_found");
}

fn what_makes_no_sense_is_told(world: &World) {
    let start = |request: VmExecRequest| refused(world.wait(world.client.start_exec(VM, &request)));
    let command = || VmExecRequest {
        command: Some("true".to_owned()),
        ..VmExecRequest::default()
    };
    let with_stdin = VmExecRequest {
        stdin: Some("x".to_owned()),
        ..command()
    };
    assert_eq!(start(with_stdin), "invalid_request");
    let missing = VmExecRequest {
        argv: Some(vec!["no-such-program".to_owned()]),
        ..VmExecRequest::default()
    };
    assert_eq!(start(missing), "program_not_found");
    for signal in [0, 65, -1] {
        let sent = world.wait(world.client.signal_exec(VM, 1, signal));
        assert_eq!(refused(sent), "invalid_request");
    }
    let sent = world.wait(world.client.signal_exec(VM, 999_999, 9));
    assert_eq!(refused(sent), "exec_not_found");
    let head = format!("GET /v1/vms/{VM}/execs/x/output HTTP/1.1");
    assert_eq!(world.raw(&head, b"").status, 422);
}

fn the_commands_do_the_same(world: &World) {
    let line = "echo out; echo err >&2; read x <>/tmp/never; exit 3";
    world.shell("mkfifo /tmp/never");
    let id = world
        .daemon
        .says(&["vm", "exec", "--background", VM, "--", "sh", "-c", line]);
    let id = id.trim();
    let list = world.daemon.says(&["vm", "execs", VM]);
    assert!(
        list.contains("running") && list.contains("sh -c echo out"),
        "{list}"
    );
    world.shell("echo go >/tmp/never");
    let ended = world.daemon.thaw(&["vm", "output", "--follow", VM, id]);
    assert_eq!(
        (&ended.stdout[..], &ended.stderr[..]),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(world.daemon.says(&["vm", "output", VM, id]), "out\n");
    let id = world
        .daemon
        .says(&["vm", "exec", "-b", VM, "--", "sleep", "1000"]);
    let id = id.trim();
    world
        .daemon
        .says(&["vm", "kill", VM, id, "--signal", "INT"]);
    let ended = world.daemon.thaw(&["vm", "output", "--follow", VM, id]);
    assert_eq!(ended.status.code(), Some(130));
    world.daemon.says(&["vm", "kill", VM, id, "--forget"]);
    let gone = world.daemon.thaw(&["vm", "output", VM, id]);
    assert_eq!(gone.status.code(), Some(125));
}

fn the_oldest_that_has_ended_makes_room(world: &World) {
    let first = world.wait(world.client.execs(VM)).unwrap().execs[0].id;
    let last = (0..64).map(|_| start(world, "true").id).last().unwrap();
    let list = world.wait(world.client.execs(VM)).unwrap().execs;
    assert!(list.len() <= 64, "{}", list.len());
    assert!(list.iter().all(|exec| exec.id != first));
    assert_eq!(list.last().unwrap().id, last);
}

fn one_goes_on_in_a_fork(world: &World) {
    let exec = start(world, "echo before; read x <>/tmp/never; echo $x; exit 6");
    until(world, &mut follow(world, exec.id), "before\n");
    let request = ForkVmRequest {
        count: 1,
        ..ForkVmRequest::default()
    };
    let forked = world.wait(world.client.fork_vm(VM, &request)).unwrap();
    let fork = &forked.vms[0].id;
    let request = VmExecRequest {
        command: Some("echo in the fork >/tmp/never".to_owned()),
        ..VmExecRequest::default()
    };
    world.wait(world.client.vm_exec(fork, &request)).unwrap();
    let query = OutputQuery::default();
    let followed = world.client.follow_exec(fork, exec.id, &query);
    let mut stream = world.wait(followed).unwrap();
    until(world, &mut stream, "in the fork\n");
    assert_eq!(to_the_end(world, &mut stream).exit_code, Some(6));
    assert!(find(world, exec.id).running);
    world.wait(world.client.delete_vm(fork)).unwrap();
    world.wait(world.client.remove_exec(VM, exec.id)).unwrap();
}

fn one_runs_on_when_the_daemon_is_killed(world: &mut World) {
    let exec = start(world, "echo before; read x <>/tmp/never; echo $x; exit 5");
    until(world, &mut follow(world, exec.id), "before\n");
    world.daemon.stop(Signal::SIGKILL);
    world.daemon.start_again();
    world.client = Client::new(world.daemon.server(), None).unwrap();
    let found = find(world, exec.id);
    assert!(found.running && found.command == exec.command, "{found:?}");
    let mut stream = follow(world, exec.id);
    until(world, &mut stream, "before\n");
    world.shell("echo after >/tmp/never");
    until(world, &mut stream, "after\n");
    let end = to_the_end(world, &mut stream);
    assert_eq!(end.exit_code, Some(5));
}
