//! Copies of running guests, on real QEMU.

use std::{collections::HashSet, fs::File, sync::Arc, time::Duration};

use thaw_lazymem::TemplateMemory;
use thaw_vmm::{
    BaseMemory, Machine, MachineSnapshot, ShellMemory,
    protocol::{Handover, Opening, Request, SecretBytes, Wake},
};

use crate::support::{self, Lab, Lines, Template, run};

const RESTORE: Duration = Duration::from_secs(20);
const LIMIT: u64 = 128 << 20;

/// A template in use, and a machine made of it.
struct World {
    lab: Lab,
    template: Template,
    memory: Arc<TemplateMemory>,
}

/// A machine and its disk at one moment.
struct Taken {
    snapshot: MachineSnapshot,
    scratch: File,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let template = lab.bake().await;
        let memory = template.memory();
        memory.fill_all().unwrap();
        Self {
            lab,
            template,
            memory,
        }
    }

    fn base(&self) -> BaseMemory {
        BaseMemory::Template(Arc::clone(&self.memory))
    }

    async fn machine(&self) -> Box<dyn Machine> {
        let memory = ShellMemory::Whole(Arc::clone(&self.memory));
        let shell = self.lab.shell_with(&self.template, memory).await.unwrap();
        let state = self.template.device_state.clone();
        let machine = shell.restore(state, RESTORE).await.unwrap();
        machine.resume().await.unwrap();
        machine
    }

    /// Brings the machine to a stand, takes it, and lets it go on.
    async fn take(&self, machine: &dyn Machine) -> Taken {
        let handover = Handover::new(rand_word());
        let quiesce = Request::Quiesce {
            handover: Some(handover.clone()),
        };
        support::call(machine, quiesce, None).await;
        machine.pause().await.unwrap();
        let base = self.base();
        let snapshot = machine.capture(&base, handover, LIMIT).await.unwrap();
        let scratch = self.lab.copy_of(&machine.scratch().unwrap());
        machine.resume().await.unwrap();
        support::call(machine, Request::Continue, None).await;
        Taken { snapshot, scratch }
    }

    /// A copy that stands still, its programs at rest.
    async fn copy(&self, taken: &Taken) -> Box<dyn Machine> {
        let scratch = self.lab.copy_of(&taken.scratch);
        let memory = ShellMemory::Whole(Arc::clone(&self.memory));
        let shell = self.lab.shell_on(scratch, memory).await.unwrap();
        let (base, snapshot) = (self.base(), taken.snapshot.clone());
        shell
            .restore_snapshot(&base, snapshot, RESTORE)
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_goes_on_in_its_machine_and_in_each_copy_of_it() {
    let world = World::new().await;
    let machine = world.machine().await;
    let count =
        "i=0; while :; do i=$((i+1)); echo $i; test $((i % 100)) = 0 && echo $i > /tmp/count; done";
    let (_input, mut output) = machine.guest().run(&script(count)).await.unwrap();
    let mut lines = Lines::of(&mut output);
    for number in 1..=300 {
        assert_eq!(lines.next().await, number.to_string());
    }
    let taken = world.take(&*machine).await;
    let again = world.take(&*machine).await;
    // Not a line is lost on the way to the one who asked for it, while it is taken or after.
    for number in 301..=20_000 {
        assert_eq!(lines.next().await, number.to_string());
    }

    let (first, second, third) =
        tokio::join!(world.copy(&taken), world.copy(&taken), world.copy(&again));
    for (number, copy) in [first, second, third].into_iter().enumerate() {
        wake(&*copy, number as u8).await;
        // Its program has nobody to write to any more, and goes on all the same.
        let ran = run(&*copy, &["sh", "-c", GROWS]).await;
        assert_eq!(ran.stdout, format!("copy-{number}\ngrows\n"));
        let _ = copy.kill().await;
    }
    assert_eq!(lines.next().await, "20001");
    let _ = machine.kill().await;
    world.lab.nothing_is_left().await;
}

/// Waits until the count in the file has grown twice. The file may be empty for a moment.
const GROWS: &str = "hostname; n() { echo 0$(cat /tmp/count); }; a=$(n); for i in 1 2; do \
    while test $(n) -le $a; do :; done; a=$(n); done; echo grows";

#[tokio::test(flavor = "multi_thread")]
async fn copies_taken_in_the_middle_of_a_read_of_random_numbers_draw_different_ones() {
    let world = World::new().await;
    let machine = world.machine().await;
    let draw = "echo up; head -c 100000000 /dev/urandom > /tmp/drawn";
    let (_input, mut output) = machine.guest().run(&script(draw)).await.unwrap();
    assert_eq!(Lines::of(&mut output).next().await, "up");
    let taken = world.take(&*machine).await;
    let _ = machine.kill().await;
    let mut seen = HashSet::new();
    for number in 0..2 {
        let copy = world.copy(&taken).await;
        wake(&*copy, number).await;
        // What it has drawn before is the same, what it draws from now on is not.
        let look = "s() { set -- $(ls -l /tmp/drawn); echo $5; }; a=$(s); \
            while test $(s) -lt $((a + 4000000)); do :; done; \
            head -c $((a + 3000000)) /tmp/drawn | tail -c 2000000 | md5sum";
        let ran = run(&*copy, &["sh", "-c", look]).await;
        assert!(seen.insert(ran.stdout), "two copies drew the same bytes");
        let _ = copy.kill().await;
    }
    world.lab.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_copy_of_a_copy_holds_what_each_of_them_wrote() {
    let world = World::new().await;
    let mut machine = world.machine().await;
    for generation in 0..3 {
        // To memory and to the disk, the latter not synced.
        let write = format!(
            "echo {generation} >> /dev/shm/memory; echo {generation} >> /root/disk; \
             dd if=/dev/urandom of=/root/big bs=1024 count=2000 2>/dev/null; \
             md5sum /root/big > /dev/shm/sum"
        );
        let ran = run(&*machine, &["sh", "-c", &write]).await;
        assert_eq!(ran.stdout, "");
        let taken = world.take(&*machine).await;
        let copy = world.copy(&taken).await;
        wake(&*copy, generation).await;
        let look = "cat /dev/shm/memory /root/disk; \
            echo 3 > /proc/sys/vm/drop_caches; md5sum /root/big; cat /dev/shm/sum";
        let ran = run(&*copy, &["sh", "-c", look]).await;
        let lines: Vec<_> = ran.stdout.lines().collect();
        let [written @ .., found, expected] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(found, expected);
        let all: Vec<_> = (0..=generation).map(|n| n.to_string()).collect();
        assert_eq!(*written, [&all[..], &all[..]].concat());
        let _ = std::mem::replace(&mut machine, copy).kill().await;
    }
    let _ = machine.kill().await;
    world.lab.nothing_is_left().await;
}

fn script(line: &str) -> Opening {
    Opening {
        wake: None,
        request: Request::Exec(support::shell(line)),
    }
}

/// Lets a copy go on as a machine of its own.
async fn wake(copy: &dyn Machine, number: u8) {
    let wake = Wake {
        entropy: SecretBytes(vec![number; 64]),
        wall_clock_ns: 1_900_000_000_000_000_000,
        hostname: Some(format!("copy-{number}")),
        machine_id: Some(format!("{number:032x}")),
    };
    let (_, resumed) = tokio::join!(
        support::call(copy, Request::Continue, Some(wake)),
        copy.resume()
    );
    resumed.unwrap();
}

fn rand_word() -> [u8; 16] {
    let id = thaw_vmm::VmmId::random("abc").unwrap();
    let mut word = [0; 16];
    word.copy_from_slice(id.as_str().as_bytes());
    word
}
