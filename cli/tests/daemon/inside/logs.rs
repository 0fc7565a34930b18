//! What a machine says on its console.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

use thaw_api_types::VmLogsQuery;

use super::world::{VM, World, refused};

#[test]
fn a_console_is_read_and_followed_and_outlives_its_machine() {
    let world = World::new();
    what_is_said_is_told(&world);
    a_flood_leaves_its_end(&world);
    what_is_said_next_is_followed_to_the_end(&world);
    a_machine_that_has_ended_has_had_its_say(&world);
}

fn logs(world: &World, tail: Option<u32>) -> String {
    let query = VmLogsQuery {
        tail,
        ..VmLogsQuery::default()
    };
    world.wait(async {
        let mut said = world.client.vm_logs(VM, &query).await.unwrap();
        let mut all = Vec::new();
        while let Some(piece) = said.next().await.unwrap() {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    })
}

/// Waits until the console holds this: it comes by another way than a program's end.
fn until_said(world: &World, wanted: &str) {
    let begin = std::time::Instant::now();
    while !logs(world, None).contains(wanted) {
        assert!(begin.elapsed().as_secs() < 60, "{}", logs(world, None));
    }
}

fn what_is_said_is_told(world: &World) {
    assert_eq!(
        world.shell("for n in 1 2 3; do echo line $n >/dev/console; done"),
        ""
    );
    until_said(world, "line 3");
    let last = logs(world, Some(2));
    let last: Vec<_> = last.lines().map(str::trim_end).collect();
    assert_eq!(last, ["line 2", "line 3"]);
    let query = VmLogsQuery::default();
    let gone = world.wait(world.client.vm_logs("no-such-vm", &query));
    assert_eq!(refused(gone), "vm_not_found");
}

fn a_flood_leaves_its_end(world: &World) {
    let line = "seq -f 'a long line of the flood, number %.0f' 1 3000 >/dev/console; echo over >/dev/console";
    assert_eq!(world.shell(line), "");
    until_said(world, "over");
    let kept = logs(world, None);
    assert!(kept.len() <= 64 * 1024, "{}", kept.len());
    assert!(
        kept.contains("number 3000") && !kept.contains("number 1\r"),
        "{kept}"
    );
    // No line is cut in two.
    assert!(kept.starts_with("a long line"), "{}", &kept[..80]);
}

fn what_is_said_next_is_followed_to_the_end(world: &World) {
    let mut follower = world
        .daemon
        .command(&["vm", "logs", VM, "--follow", "--tail", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert_eq!(said.trim_end(), "over");
    assert_eq!(world.shell("echo next >/dev/console"), "");
    said.clear();
    out.read_line(&mut said).unwrap();
    assert_eq!(said.trim_end(), "next");
    world.wait(world.client.stop_vm(VM)).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(follower.wait().unwrap().success());
}

fn a_machine_that_has_ended_has_had_its_say(world: &World) {
    assert!(logs(world, None).contains("next"));
    world.wait(world.client.start_vm(VM)).unwrap();
    assert!(!logs(world, None).contains("next"));
}
