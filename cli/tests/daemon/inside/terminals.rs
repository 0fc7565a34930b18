//! Terminals and programs with input, over WebSockets and through the commands.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use nix::{
    pty::openpty,
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::Pid,
};
use serde_json::{Value, json};
use thaw_api_types::{
    CreateVmRequest, ExecExit, ExecSocketStart, SocketControl, TerminalSize, VmExecRequest,
    client::{ClientError, OpenTerminal, SocketEvent, SocketOutput},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::world::{VM, World, pattern, refused};

#[test]
fn terminals_and_programs_with_input_are_the_callers_and_end_with_it() {
    let world = World::new();
    a_terminal_has_its_size_its_bytes_and_its_exit(&world);
    who_leaves_ends_the_program(&world);
    bandsox_sockets_answer_while_they_run_and_a_terminal_ends_with_its_client(&world);
    input_output_and_signals_reach_the_program(&world);
    what_makes_no_sense_is_told(&world);
    the_commands_do_the_same(&world);
    our_terminal_is_as_it_was_however_it_ends(&world);
    a_change_of_our_size_reaches_the_program(&world);
    a_machine_that_is_deleted_ends_what_runs_in_it(&world);
}

fn command(line: &str) -> ExecSocketStart {
    ExecSocketStart {
        exec: VmExecRequest {
            command: Some(line.to_owned()),
            ..VmExecRequest::default()
        },
        stdin: true,
        tty: None,
    }
}

/// Reads until the output holds this.
async fn until(output: &mut SocketOutput, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let next = timeout(Duration::from_secs(30), output.next()).await;
        let next = next.unwrap_or_else(|_| panic!("no {text:?} in {seen:?}"));
        match next.unwrap() {
            SocketEvent::Stdout(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} after {seen:?}"),
        }
    }
    seen
}

/// Reads to the end.
async fn all(output: &mut SocketOutput) -> Result<(Vec<u8>, Vec<u8>, ExecExit), ClientError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match output.next().await? {
            SocketEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            SocketEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            SocketEvent::Exit(exit) => return Ok((stdout, stderr, exit)),
        }
    }
}

fn a_terminal_has_its_size_its_bytes_and_its_exit(world: &World) {
    let how = OpenTerminal {
        size: Some(TerminalSize {
            cols: 100,
            rows: 40,
        }),
        term: Some("vt100".to_owned()),
        ..OpenTerminal::default()
    };
    let ended = world.wait(async {
        let (mut input, mut output) = world.client.terminal(VM, &how).await.unwrap();
        let mut says = async |line: &'static str, wanted: &str| {
            input
                .stdin(Bytes::from_static(line.as_bytes()))
                .await
                .unwrap();
            until(&mut output, wanted).await
        };
        says("stty size; echo t-$TERM\n", "t-vt100\r\n").await;
        let seen = says("tty; stty size\n", "40 100\r\n").await;
        assert!(seen.contains("/dev/pts/"), "{seen}");
        let size = TerminalSize { cols: 33, rows: 7 };
        input.control(SocketControl::Resize(size)).await.unwrap();
        input
            .stdin(Bytes::from_static(b"stty size\n"))
            .await
            .unwrap();
        until(&mut output, "7 33\r\n").await;
        // The terminal itself makes a signal of Ctrl-C, for the program that runs on it: which it says by itself,
        // because the shell has echoed the line before it runs anything.
        let line = b"sh -c 'echo go-$((1+1)); exec sleep 1000'\n";
        input.stdin(Bytes::from_static(line)).await.unwrap();
        until(&mut output, "go-2\r\n").await;
        input.stdin(Bytes::from_static(b"\x03")).await.unwrap();
        // The prompt, not the echo of ^C: the shell may have turned echoes off before the terminal comes to it.
        until(&mut output, "# ").await;
        let line = b"echo after-$?\n";
        input.stdin(Bytes::from_static(line)).await.unwrap();
        until(&mut output, "after-130\r\n").await;
        input.stdin(Bytes::from_static(b"exit 7\n")).await.unwrap();
        all(&mut output).await.unwrap().2
    });
    assert_eq!((ended.exit_code, ended.signal), (Some(7), None));
}

/// How many programs sleep for 4321 seconds.
const SLEEPERS: &str = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^432[1]$'";

fn who_leaves_ends_the_program(world: &World) {
    let how = OpenTerminal {
        command: Some("exec sleep 4321".to_owned()),
        ..OpenTerminal::default()
    };
    let terminal = world.wait(world.client.terminal(VM, &how)).unwrap();
    let start = command("sleep 4321 & echo up; wait");
    let mut program = world.wait(world.client.exec_socket(VM, &start)).unwrap();
    world.wait(until(&mut program.1, "up\n"));
    world.shell_says(SLEEPERS, "2\n");
    // The sockets are torn down by the client's end, without a word.
    world.runtime.block_on(async { drop((terminal, program)) });
    world.shell_says(SLEEPERS, "0\n");
}

type Raw = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One of BandSox's WebSockets of the machine.
async fn bandsox(world: &World, what: &str) -> Raw {
    let id = world.client.vm(VM).await.unwrap().id;
    let server = world.daemon.server().replacen("http", "ws", 1);
    let url = format!("{server}/api/vms/{id}/{what}");
    connect_async(url).await.unwrap().0
}

fn say(frame: &Value) -> Message {
    Message::Text(frame.to_string().into())
}

/// Reads until a message is the one that is waited for.
async fn next(socket: &mut Raw, wanted: impl Fn(&Message) -> bool) {
    let seen = async { while !wanted(&socket.next().await.unwrap().unwrap()) {} };
    timeout(Duration::from_secs(30), seen).await.unwrap();
}

fn bandsox_sockets_answer_while_they_run_and_a_terminal_ends_with_its_client(world: &World) {
    let asked = Bytes::from_static(b"there?");
    let ping = Message::Ping(asked.clone());
    let pong = |message: &Message| *message == Message::Pong(asked.clone());
    let [mut stream, mut terminal] = world.wait(async {
        let mut stream = bandsox(world, "exec-stream").await;
        let line = json!({ "command": "echo up; exec sleep 4321" });
        // A client's library may well ask before anything is said.
        stream.send(ping.clone()).await.unwrap();
        next(&mut stream, pong).await;
        stream.send(say(&line)).await.unwrap();
        next(&mut stream, |frame| frame.to_string().contains("up")).await;
        [stream, bandsox(world, "terminal").await]
    });
    world.wait(async {
        stream.send(ping.clone()).await.unwrap();
        next(&mut stream, pong).await;
        let keys = |text: &str| say(&json!({ "type": "input", "data": STANDARD.encode(text) }));
        let line = keys("exec sleep 4321\n");
        terminal.send(line).await.unwrap();
    });
    world.shell_says(SLEEPERS, "2\n");
    world.wait(async {
        // More than what the guest and the queue to it take of a program that reads nothing, and less than
        // what waits besides.
        let many = STANDARD.encode("x\n".repeat(32 << 10));
        for _ in 0..30 {
            let keys = say(&json!({ "type": "input", "data": many }));
            terminal.send(keys).await.unwrap();
        }
        terminal.send(ping.clone()).await.unwrap();
        next(&mut terminal, pong).await;
    });
    // Gone without a word. The command runs on, as BandSox's do, until somebody ends it or its time is up.
    world.runtime.block_on(async { drop((stream, terminal)) });
    world.shell_says(SLEEPERS, "1\n");
    let end = "for p in /proc/[0-9]*; do grep -qsz '^4321$' $p/cmdline && kill ${p#/proc/}; done";
    world.shell_says(&format!("{end}; {SLEEPERS}"), "0\n");
}

fn input_output_and_signals_reach_the_program(world: &World) {
    let sent = pattern(3 << 20);
    let ended = world.wait(async {
        let start = command("tee /dev/stderr");
        let (mut input, mut output) = world.client.exec_socket(VM, &start).await.unwrap();
        let send = async {
            for piece in sent.chunks(100_000) {
                input.stdin(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            input.control(SocketControl::StdinEnd).await.unwrap();
        };
        let (ended, ()) = tokio::join!(all(&mut output), send);
        ended.unwrap()
    });
    assert!(ended.0 == sent && ended.1 == sent);
    assert_eq!(ended.2.exit_code, Some(0));
    let exit = world.wait(async {
        let line = "trap 'exit 5' USR1; echo up; while :; do sleep 0.1; done";
        let start = command(line);
        let (mut input, mut output) = world.client.exec_socket(VM, &start).await.unwrap();
        until(&mut output, "up\n").await;
        let signal = SocketControl::Signal { signal: 10 };
        input.control(signal).await.unwrap();
        all(&mut output).await.unwrap().2
    });
    assert_eq!(exit.exit_code, Some(5));
}

fn what_makes_no_sense_is_told(world: &World) {
    let run = |start: ExecSocketStart| {
        let ran = world.wait(async {
            let (_input, mut output) = world.client.exec_socket(VM, &start).await?;
            all(&mut output).await
        });
        refused(ran)
    };
    let mut start = command("true");
    start.exec.argv = Some(vec!["true".to_owned()]);
    assert_eq!(run(start), "invalid_request");
    let mut start = command("true");
    start.tty = Some(TerminalSize { cols: 0, rows: 9 });
    assert_eq!(run(start), "invalid_request");
    let start = ExecSocketStart {
        exec: VmExecRequest {
            argv: Some(vec!["no-such-program".to_owned()]),
            ..VmExecRequest::default()
        },
        ..ExecSocketStart::default()
    };
    assert_eq!(run(start), "program_not_found");
    let gone = world.wait(world.client.exec_socket("no-such-vm", &command("true")));
    assert_eq!(refused(gone.map(drop)), "vm_not_found");
    let bad = world.wait(async {
        let (mut input, mut output) = world.client.exec_socket(VM, &command("cat")).await?;
        input
            .control(SocketControl::Signal { signal: 1000 })
            .await?;
        all(&mut output).await
    });
    assert_eq!(refused(bad), "invalid_request");
    let plain = world.raw(&format!("GET /v1/vms/{VM}/terminal HTTP/1.1"), b"");
    assert!((400..500).contains(&plain.status), "{plain:?}");
}

fn the_commands_do_the_same(world: &World) {
    let exec = |arguments: &[&str], stdin: &[u8]| {
        let mut words = vec!["vm", "exec"];
        words.extend(arguments);
        let mut child = world
            .daemon
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        thread::scope(|scope| {
            // Who writes what comes back before reading any of it waits for himself once the pipes are full.
            scope.spawn(move || input.write_all(stdin));
            child.wait_with_output().unwrap()
        })
    };
    let ran = exec(
        &[VM, "--", "sh", "-c", "echo out; echo err >&2; exit 3"],
        b"",
    );
    assert_eq!(
        (&ran.stdout[..], &ran.stderr[..]),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(ran.status.code(), Some(3));
    let sent = pattern(700_000);
    let ran = exec(&["-i", VM, "--", "cat"], &sent);
    assert!(
        ran.stdout == sent,
        "{:?}",
        crate::support::text(&ran.stderr)
    );
    assert_eq!(
        exec(&[VM, "--", "no-such-program"], b"").status.code(),
        Some(127)
    );
    // More than what an answer in one piece would hold.
    let ran = exec(&[VM, "--", "head", "-c", "12000000", "/dev/zero"], b"");
    assert_eq!(ran.stdout.len(), 12_000_000);
    let ran = exec(&["--output-limit", "5", VM, "--", "echo", "too long"], b"");
    assert_eq!(ran.stdout, b"too l");
    let ran = exec(&["-t", VM, "--", "sh", "-c", "tty >&2"], b"");
    assert!(ran.stdout.starts_with(b"/dev/pts/"), "{ran:?}");
    // A signal of ours is the program's.
    let line = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 0.1; done";
    let mut child = world
        .daemon
        .command(&["vm", "exec", VM, "--", "sh", "-c", line])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    out.read_line(&mut seen).unwrap();
    assert_eq!(seen, "up\n");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    out.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "up\ngot\n");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

/// A terminal of this test's, and our command on it.
struct OnTerminal {
    master: File,
    slave: OwnedFd,
    seen: String,
}

impl OnTerminal {
    fn new() -> Self {
        let pair = openpty(None, None).unwrap();
        Self {
            master: pair.master.into(),
            slave: pair.slave,
            seen: String::new(),
        }
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    fn put(&self, command: &mut Command) {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
    }

    fn until(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.master.read(&mut buffer).unwrap();
            assert!(read > 0, "{}", self.seen);
            self.seen
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}

fn our_terminal_is_as_it_was_however_it_ends(world: &World) {
    let terminal = &["vm", "terminal", VM][..];
    let exec = &["vm", "exec", "-it", VM, "--", "sh", "-i"][..];
    for (words, signal) in [
        (terminal, None),
        (terminal, Some(Signal::SIGTERM)),
        (terminal, Some(Signal::SIGHUP)),
        (exec, None),
        (exec, Some(Signal::SIGTERM)),
    ] {
        let mut ours = OnTerminal::new();
        let before = ours.settings();
        let mut command = world.daemon.command(words);
        ours.put(&mut command);
        let mut child = command.spawn().unwrap();
        // The prompt shows that it is there; from then on keys are the program's.
        ours.master.write_all(b"echo sum-$((6*7))\n").unwrap();
        ours.until("sum-42");
        assert_ne!(ours.settings(), before, "it is not raw");
        let code = match signal {
            None => {
                ours.master.write_all(b"exit 5\n").unwrap();
                5
            }
            Some(signal) => {
                kill(Pid::from_raw(child.id() as i32), signal).unwrap();
                128 + signal as i32
            }
        };
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(ours.settings(), before);
    }
}

fn a_change_of_our_size_reaches_the_program(world: &World) {
    let mut ours = OnTerminal::new();
    let mut command = world.daemon.command(&["vm", "terminal", VM]);
    ours.put(&mut command);
    let mut child = command.spawn().unwrap();
    ours.master.write_all(b"echo sum-$((6*7))\n").unwrap();
    ours.until("sum-42");
    let mut resize = Command::new("stty");
    let resize = resize.args(["rows", "33", "cols", "101"]);
    let done = resize.stdin(ours.slave.try_clone().unwrap()).status();
    assert!(done.unwrap().success());
    // The kernel tells only whoever is controlled by a terminal, and ours controls nobody.
    kill(Pid::from_raw(child.id() as i32), Signal::SIGWINCH).unwrap();
    let line =
        b"until [ \"$(stty size)\" = '33 101' ]; do :; done; echo resized-$((1+1)); exit 4\n";
    ours.master.write_all(line).unwrap();
    ours.until("resized-2");
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

fn a_machine_that_is_deleted_ends_what_runs_in_it(world: &World) {
    let request = CreateVmRequest {
        image: Some("python".to_owned()),
        name: Some("short-lived".to_owned()),
        ..CreateVmRequest::default()
    };
    world.wait(world.client.create_vm(&request)).unwrap();
    let ended = world.wait(async {
        let start = command("echo up; sleep 1000");
        let running = world.client.exec_socket("short-lived", &start);
        let (_input, mut output) = running.await.unwrap();
        until(&mut output, "up\n").await;
        world.client.delete_vm("short-lived").await.unwrap();
        all(&mut output).await
    });
    let code = refused(ended.map(|_| ()));
    assert!(
        ["vm_lost", "vm_ended", "vm_not_found"].contains(&code),
        "{code}"
    );
}
