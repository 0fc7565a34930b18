//! Forks of running, paused, booted and adopted machines.

use std::{collections::HashSet, process::Stdio, thread};

use nix::sys::signal::Signal;
use thaw_api_types::{Language, VmExecRequest, VmState};

use super::world::{PARENT, World, refused};
use crate::support::text;

/// Draws from every generator that a program may use.
const DRAW: &str = "
import os, random, ssl, uuid
print(os.urandom(16).hex(), random.random(), uuid.uuid4(), ssl.RAND_bytes(16).hex())
";

#[test]
fn forks_begin_where_their_parent_is_and_go_their_own_ways() {
    let world = World::with_parent();
    let forked = world.fork(PARENT, &["a", "b", "c"]);
    assert!(
        forked.paused_us > 0
            && forked.paused_us <= forked.at_rest_us
            && forked.at_rest_us < forked.total_us,
        "{forked:?}"
    );
    let names: Vec<_> = forked
        .vms
        .iter()
        .map(|vm| vm.name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);

    let mut hostnames = HashSet::new();
    for (number, vm) in [PARENT, "a", "b", "c"].into_iter().enumerate() {
        let number = number as i64;
        // The program goes on with what it holds, and so do the files, each in its own machine.
        assert_eq!(world.add(vm, 10 * number), 101 + 10 * number);
        let add =
            format!("echo {number} >> /dev/shm/file; echo {number} >> /root/file; echo $COLOUR");
        assert_eq!(world.shell(vm, &add), "green\n");
        let identity = world.shell(vm, "hostname; cat /etc/machine-id");
        assert!(hostnames.insert(identity), "{vm} is called as another one");
    }
    for (number, vm) in [PARENT, "a", "b", "c"].into_iter().enumerate() {
        assert_eq!(
            world.files(vm),
            format!("memory\n{number}\ndisk\n{number}\n"),
            "{vm}"
        );
    }

    // One dies; the others go on, and can be forked themselves.
    world.wait(world.client.delete_vm(PARENT)).unwrap();
    world.fork("b", &["b2"]);
    assert_eq!(world.add("b2", 0), 121);
    assert_eq!(world.files("b2"), "memory\n2\ndisk\n2\n");
    world.nothing_is_left();
}

#[test]
fn no_two_forks_draw_the_same_random_numbers() {
    let world = World::with_parent();
    let code = VmExecRequest {
        language: Some(Language::Python),
        code: Some(DRAW.to_owned()),
        ..VmExecRequest::default()
    };
    let program = VmExecRequest {
        argv: Some(["python3", "-c", DRAW].map(str::to_owned).into()),
        ..VmExecRequest::default()
    };
    // The generators were used before, so that each has a state which the forks could share.
    world.wait(world.client.vm_exec(PARENT, &code)).unwrap();
    world.fork(PARENT, &["a", "b"]);
    let mut drawn = HashSet::new();
    for vm in ["a", "b", PARENT] {
        for request in [&code, &program] {
            let ran = world.wait(world.client.vm_exec(vm, request)).unwrap();
            let numbers: Vec<_> = ran.stdout.split_whitespace().collect();
            assert_eq!(numbers.len(), 4, "{ran:?}");
            for number in numbers {
                assert!(
                    drawn.insert(number.to_owned()),
                    "{vm} drew {number} as well"
                );
            }
        }
    }
    world.nothing_is_left();
}

#[test]
fn a_fork_of_a_fork_of_a_fork_costs_what_a_fork_costs() {
    let world = World::with_parent();
    let first = world.snapshot(PARENT, "generation 0");
    let mut parent = PARENT.to_owned();
    for generation in 1..=4 {
        let child = format!("fork {generation}");
        world.fork(&parent, &[&child]);
        assert_eq!(world.add(&child, 1), 101 + generation);
        let line = format!("echo {generation} >> /root/file; echo {generation} >> /dev/shm/file");
        world.shell(&child, &line);
        // Whoever it came from is not needed any more.
        world.wait(world.client.delete_vm(&parent)).unwrap();
        parent = child;
    }
    let last = world.snapshot(&parent, "generation 4");
    // Both are the whole difference to one and the same template.
    assert_eq!(last.template, first.template);
    let (few, many) = (first.memory_bytes, last.memory_bytes);
    assert!(many < few + few / 2, "{many} bytes after {few}");
    assert_eq!(
        world.files(&parent),
        "memory\n1\n2\n3\n4\ndisk\n1\n2\n3\n4\n"
    );
    world.nothing_is_left();
}

#[test]
fn a_paused_machine_forks_and_stays_paused_and_a_stopped_one_says_why_not() {
    let world = World::with_parent();
    world.wait(world.client.pause_vm(PARENT)).unwrap();
    world.fork(PARENT, &["a"]);
    assert_eq!(world.add("a", 1), 102);
    let parent = world.wait(world.client.vm(PARENT)).unwrap();
    assert_eq!(parent.state, VmState::Paused);
    world.wait(world.client.resume_vm(PARENT)).unwrap();
    assert_eq!(world.add(PARENT, 2), 103);

    world.wait(world.client.stop_vm(PARENT)).unwrap();
    let (code, _) = refused(world.try_fork(PARENT, &["b"]));
    assert_eq!(code, "vm_stopped");
    // Booted from its disk, its memory is its own; a fork of it is one like any other.
    world.wait(world.client.start_vm(PARENT)).unwrap();
    world.shell(PARENT, "echo booted > /dev/shm/file");
    world.fork(PARENT, &["b"]);
    assert_eq!(world.files("b"), "booted\ndisk\n");
    world.nothing_is_left();
}

#[test]
fn machines_that_outlived_their_daemon_fork_too() {
    let mut world = World::with_parent();
    world.fork(PARENT, &["fork", "booted"]);
    world.wait(world.client.stop_vm("booted")).unwrap();
    world.wait(world.client.start_vm("booted")).unwrap();
    world.shell("booted", "echo booted > /dev/shm/file");
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        world.restart(signal);
        for vm in [PARENT, "fork"] {
            world.fork(vm, &["child"]);
            assert_eq!(world.add("child", 1), 102, "{vm}");
            assert_eq!(world.files("child"), "memory\ndisk\n", "{vm}");
            world.wait(world.client.delete_vm("child")).unwrap();
        }
        world.fork("booted", &["child"]);
        assert_eq!(world.files("child"), "booted\ndisk\n");
        world.wait(world.client.delete_vm("child")).unwrap();
    }
    world.nothing_is_left();
}

#[test]
fn what_a_program_says_to_the_one_who_waits_for_it_is_whole_whatever_is_made_of_its_machine() {
    let world = World::with_parent();
    let count = "
import os
number = 0
while not os.path.exists('/tmp/enough'):
    number += 1
    print(number)
    if number % 1000 == 0:
        with open('/tmp/new', 'w') as new:
            print(number, file=new)
        os.rename('/tmp/new', '/tmp/number')
";
    let words = ["exec", PARENT, "--", "python3", "-u", "-c", count];
    let mut counting = world.daemon.command(&words);
    let counting = counting.stdout(Stdio::piped()).spawn().unwrap();
    let reading = thread::spawn(move || counting.wait_with_output().unwrap());
    // The copies are asked for it.
    world.shell(PARENT, "until test -e /tmp/number; do :; done");
    for name in ["a", "b"] {
        world.fork(PARENT, &[name]);
        world.snapshot(PARENT, name);
    }
    world.shell(PARENT, "touch /tmp/enough");
    let said = text(&reading.join().unwrap().stdout);
    let lines = said.lines().count();
    assert!(lines > 0);
    for (number, line) in (1..).zip(said.lines()) {
        assert_eq!(line, number.to_string());
    }
    // Those in the copies count on, and are told to stop by nobody.
    let grows = "a=$(cat /tmp/number); while test $(cat /tmp/number) = $a; do :; done; echo on";
    assert_eq!(world.shell("b", grows), "on\n");
    world.nothing_is_left();
}

#[test]
fn machines_that_map_the_templates_file_fork_too_and_the_way_may_change_under_them() {
    let mut world = World::with_parent_on(&["--memory-mode", "file"]);
    world.fork(PARENT, &["by file"]);
    assert_eq!(world.add("by file", 1), 102);
    world.snapshot("by file", "by file");
    world.daemon.use_arguments(&["--memory-mode", "uffd"]);
    world.restart(Signal::SIGKILL);
    world.fork("by file", &["by memfd"]);
    world.restore("by file", "restored").unwrap();
    for vm in ["by memfd", "restored"] {
        assert_eq!(world.add(vm, 1), 103);
        assert_eq!(world.files(vm), "memory\ndisk\n");
    }
    world.daemon.use_arguments(&["--memory-mode", "file"]);
    world.restart(Signal::SIGKILL);
    world.fork("by memfd", &["by file again"]);
    assert_eq!(world.add("by file again", 1), 104);
    world.nothing_is_left();
}

#[test]
fn forks_that_there_is_no_room_for_are_refused_and_none_is_left() {
    let world = World::with_parent_on(&["--max-vms", "3"]);
    let (code, _) = refused(world.try_fork(PARENT, &["a", "b", "c"]));
    assert_eq!(code, "vm_limit");
    assert_eq!(world.vms().len(), 1);
    // A name that is taken takes the others with it.
    let (code, _) = refused(world.try_fork(PARENT, &["a", PARENT]));
    assert_eq!(code, "vm_name_taken");
    assert_eq!(world.vms().len(), 1);
    world.fork(PARENT, &["a", "b"]);
    assert_eq!(world.add("b", 1), 102);
    world.nothing_is_left();
}
