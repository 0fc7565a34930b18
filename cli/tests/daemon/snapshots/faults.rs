//! Full disks and damaged snapshots.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

use nix::sys::signal::Signal;

use super::world::{PARENT, World, refused};
use crate::faults::SmallDisk;

#[test]
fn a_full_disk_is_told_leaves_nothing_and_the_machine_goes_on() {
    let mut world = World::with_parent();
    world.daemon.stop(Signal::SIGTERM);
    let folder = world.daemon.storage().join("snapshots");
    // Room for what is asked to be free beforehand, and not for a snapshot.
    let disk = SmallDisk::at(&folder, "size=270m,mode=0700");
    world.start_again();
    // What is not zero takes room on the disk.
    world.shell(PARENT, "head -c 40000000 /dev/urandom > /root/large; sync");
    let (code, said) = refused(world.try_snapshot(PARENT, "too large"));
    assert_eq!(code, "disk_full", "{said}");
    assert!(said.contains("thaw snapshot rm"), "{said}");
    assert_eq!(world.folders(), [""; 0]);
    assert_eq!(world.snapshots().len(), 0);
    assert_eq!(world.add(PARENT, 1), 102);
    disk.grow();
    world.snapshot(PARENT, "too large");
    world.restore("too large", "restored").unwrap();
    assert_eq!(world.add("restored", 1), 103);
    world.nothing_is_left();
    drop(disk);
}

/// What is done to a file.
type Harm = fn(&Path);

/// What is done to a snapshot's file, and what its refusal says.
const DAMAGE: [(&str, Harm, &str); 6] = [
    ("delta.bin", cut, "cut short"),
    ("delta.bin", flip_last, "fails its checksum"),
    ("scratch.img", flip_magic, "its disk fails its checksum"),
    (
        "state.bin",
        flip_last,
        "its device state fails its checksum",
    ),
    ("manifest.json", cut, "its manifest is damaged"),
    ("manifest.json", other_version, "format version 99"),
];

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip_last(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    flip(path, length - 1);
}

/// The magic number of ext4.
fn flip_magic(path: &Path) {
    flip(path, 1080);
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

fn other_version(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let changed = text.replacen("\"version\": 1", "\"version\": 99", 1);
    assert_ne!(changed, text);
    fs::write(path, changed).unwrap();
}

#[test]
fn damaged_snapshots_are_refused_by_name_hide_no_others_and_can_be_removed() {
    let mut world = World::with_parent();
    let ids: Vec<_> = (0..DAMAGE.len())
        .map(|number| world.snapshot(PARENT, &format!("damaged {number}")).id)
        .collect();
    world.snapshot(PARENT, "sound");
    world.daemon.stop(Signal::SIGTERM);
    for (id, (file, damage, _)) in ids.iter().zip(DAMAGE) {
        let path = world.daemon.storage().join("snapshots").join(id).join(file);
        damage(&path);
    }
    world.start_again();
    for (id, (_, _, reason)) in ids.iter().zip(DAMAGE) {
        let (code, said) = refused(world.restore(id, "never there"));
        assert_eq!(code, "snapshot_unusable", "{said}");
        let mend = format!("thaw snapshot rm {id}");
        assert!(said.contains(reason) && said.contains(&mend), "{said}");
    }
    // They are listed as what they are.
    let listed = world.snapshots();
    assert_eq!(listed.len(), DAMAGE.len() + 1);
    for found in listed {
        assert_eq!(found.unusable.is_none(), found.name == "sound", "{found:?}");
    }
    assert_eq!(world.vms().len(), 1);
    world.restore("sound", "restored").unwrap();
    assert_eq!(world.add("restored", 1), 102);
    for id in &ids {
        world.daemon.says(&["snapshot", "rm", id]);
    }
    assert_eq!(world.folders().len(), 1);
    world.nothing_is_left();
}

#[test]
fn a_daemon_that_may_not_trace_says_so_and_the_machine_goes_on() {
    let mut world = World::with_parent();
    world.snapshot(PARENT, "taken before");
    world.restart_without_tracing();
    for code in [
        refused(world.try_fork(PARENT, &["a"])),
        refused(world.try_snapshot(PARENT, "a")),
        refused(world.restore("taken before", "a")),
    ] {
        let (code, said) = code;
        assert_eq!(code, "snapshots_not_permitted", "{said}");
        assert!(said.contains("CAP_SYS_PTRACE"), "{said}");
        assert_eq!(world.add(PARENT, 0), 101);
    }
    assert_eq!((world.vms().len(), world.snapshots().len()), (1, 1));
    world.restart(Signal::SIGTERM);
    world.fork(PARENT, &["a"]);
    assert_eq!(world.add("a", 1), 102);
    world.nothing_is_left();
}
