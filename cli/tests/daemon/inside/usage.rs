//! What a machine uses.

use std::time::{Duration, Instant};

use thaw_api_types::{ChangeVmRequest, PausedBy, VmState, VmUsage};

use super::world::{VM, World, refused};

#[test]
fn what_a_machine_uses_is_told_and_asking_is_no_use_of_it() {
    let world = World::new();
    figures_follow_what_happens_inside(&world);
    the_command_prints_them(&world);
    asking_neither_wakes_a_machine_nor_keeps_it_awake(&world);
    a_stopped_machine_still_takes_disk(&world);
}

fn usage(world: &World) -> VmUsage {
    world.wait(world.client.vm_usage(VM)).unwrap()
}

fn figures_follow_what_happens_inside(world: &World) {
    let before = usage(world);
    let guest = before.guest.unwrap();
    assert_eq!(before.name.as_deref(), Some(VM));
    assert!(
        (128 << 20..=256 << 20).contains(&guest.memory_total_bytes),
        "{guest:?}"
    );
    assert!(guest.memory_available_bytes < guest.memory_total_bytes);
    assert!(guest.disk_available_bytes < guest.disk_total_bytes);
    assert!(guest.disk_total_bytes > 3 << 30, "{guest:?}");
    let memory = before.host.memory.unwrap();
    assert!(memory.private_bytes > 0 && memory.proportional_bytes <= memory.resident_bytes);
    // Two programs that stay, a file, and some work.
    let line = "sleep 1000 & sleep 1000 & dd if=/dev/urandom of=/srv/file bs=1M count=16 2>/dev/null; sync";
    assert_eq!(world.shell(&format!("({line}) >/dev/null 2>&1")), "");
    let after = usage(world);
    let then = after.guest.unwrap();
    assert_eq!(then.processes, guest.processes + 2);
    assert!(then.cpu_us > guest.cpu_us);
    let written = guest.disk_available_bytes - then.disk_available_bytes;
    assert!((16 << 20..32 << 20).contains(&written), "{written}");
    let taken = after.host.disk_bytes - before.host.disk_bytes;
    assert!((16 << 20..64 << 20).contains(&taken), "{taken}");
    assert_eq!(
        refused(world.wait(world.client.vm_usage("no-such-vm"))),
        "vm_not_found"
    );
}

fn the_command_prints_them(world: &World) {
    let said = world.daemon.says(&["vm", "usage"]);
    assert!(said.contains("CPU TIME") && said.contains(VM), "{said}");
    assert_eq!(world.daemon.says(&["vm", "stats", VM]).lines().count(), 2);
    let json = world.daemon.says(&["vm", "usage", VM, "--json"]);
    let usages: Vec<VmUsage> = serde_json::from_str(&json).unwrap();
    assert_eq!(usages[0].name.as_deref(), Some(VM));
}

fn asking_neither_wakes_a_machine_nor_keeps_it_awake(world: &World) {
    let idle = |seconds| ChangeVmRequest {
        idle_timeout_s: Some(seconds),
        ..ChangeVmRequest::default()
    };
    world.wait(world.client.change_vm(VM, &idle(1))).unwrap();
    let begin = Instant::now();
    let asleep = loop {
        let usage = usage(world);
        if usage.state == VmState::Paused {
            break usage;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "asking keeps it awake"
        );
    };
    assert_eq!(asleep.guest, None);
    assert!(asleep.host.memory.is_some());
    let vm = world.wait(world.client.vm(VM)).unwrap();
    assert_eq!(vm.paused_by, Some(PausedBy::Idle));
    world.wait(world.client.change_vm(VM, &idle(0))).unwrap();
}

fn a_stopped_machine_still_takes_disk(world: &World) {
    world.wait(world.client.stop_vm(VM)).unwrap();
    let stopped = usage(world);
    assert_eq!((stopped.guest, stopped.host.memory), (None, None));
    assert!(stopped.host.disk_bytes > 16 << 20);
}
