#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Stock QEMU with the shim, under its own sandbox and without privileges, sees the template's pages.

#[path = "../../tests/common/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod common;
#[path = "clones/guest.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod guest;

use std::{
    fs::Permissions,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use common::{Memory, fill_page, has_data};
use guest::{FIRST_FD, Program, SOON};
use thaw_lazymem::{
    Memory as Pages, PageServer, PlainSource, Recording, ShimSetup, TemplateMemory,
};
use tokio::time::timeout;

const PAGES: u64 = 64 * 256;

/// A QEMU that has made its machine and waits; killed when it is dropped.
struct Qemu {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Qemu {
    fn start(setup: ShimSetup) -> Self {
        Self::run(guest::command(Path::new("qemu-system-x86_64"), setup))
    }

    fn run(mut command: Command) -> Self {
        let memory = format!(
            "memory-backend-file,id=ram,mem-path=/proc/self/fd/{FIRST_FD},size=64M,share=on,prealloc=off"
        );
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-S"])
            .args([
                "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            ])
            .args(["-object", &memory, "-m", "64M", "-accel", "tcg"])
            .args([
                "-machine",
                "microvm,acpi=on,pit=on,pic=on,rtc=on,memory-backend=ram",
            ])
            .args(["-qmp", "stdio", "-incoming", "defer"])
            .env("PATH", "/usr/bin:/bin")
            .uid(65534)
            .gid(65534)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn hello(&mut self) {
        assert!(self.answer()["QMP"].is_object());
        self.ask(r#"{"execute": "qmp_capabilities"}"#);
    }

    fn answer(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: &str) -> serde_json::Value {
        writeln!(self.stdin, "{command}").unwrap();
        loop {
            let answer = self.answer();
            if answer.get("event").is_none() {
                return answer["return"].clone();
            }
        }
    }

    /// What the guest has at the start of a page, as QEMU reads it.
    fn first_word(&mut self, page: u64) -> u64 {
        let command = format!(
            r#"{{"execute": "human-monitor-command", "arguments": {{"command-line": "xp /1gx {:#x}"}}}}"#,
            page * 4096
        );
        let answer = self.ask(&command);
        let word = answer.as_str().unwrap().trim().rsplit("0x").next().unwrap();
        u64::from_str_radix(word, 16).unwrap()
    }

    /// KiB of memory that is this process's alone, and no file's.
    fn anonymous_kib(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let smaps = std::fs::read_to_string(path).unwrap();
        let line = smaps
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"));
        line.unwrap()
            .trim()
            .strip_suffix(" kB")
            .unwrap()
            .parse()
            .unwrap()
    }

    fn sees_the_template(&mut self) {
        // From 1 MiB on, where no firmware lies.
        for page in (256..PAGES).step_by(97) {
            let mut expected = vec![0; 4096];
            if has_data(page) {
                fill_page(&mut expected, page);
            }
            let expected = u64::from_le_bytes(expected[..8].try_into().unwrap());
            assert_eq!(self.first_word(page), expected, "page {page}");
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn qemu_is_served_by_the_page_server() {
    let program = Program::build();
    let template =
        Arc::new(TemplateMemory::new(Memory::patterned(PAGES).source(), "test").unwrap());
    let (setup, socket) = ShimSetup::lazy(&program.shim(), &template, FIRST_FD).unwrap();
    let server = PageServer::start().unwrap();
    let mut qemu = Qemu::start(setup);
    let clone = server
        .attach(
            guest::receive(&socket),
            Pages::Shared(Arc::clone(&template)),
            Recording::Off,
        )
        .unwrap();
    qemu.hello();
    qemu.sees_the_template();
    assert!(clone.fault_count() > 0);
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
    drop(server);
    qemu.sees_the_template();
}

#[test]
fn qemu_maps_a_whole_template_privately() {
    let program = Program::build();
    let template = TemplateMemory::new(Memory::patterned(PAGES).source(), "test").unwrap();
    template.fill_all().unwrap();
    let setup = ShimSetup::whole(&program.shim(), &template, FIRST_FD).unwrap();
    let mut qemu = Qemu::start(setup);
    qemu.hello();
    qemu.sees_the_template();
}

#[test]
fn qemu_maps_the_templates_file_privately() {
    let program = Program::build();
    let source = PlainSource::open(Memory::patterned(PAGES).frozen()).unwrap();
    let setup = ShimSetup::file(&program.shim(), &source, FIRST_FD).unwrap();
    let mut qemu = Qemu::start(setup);
    qemu.hello();
    qemu.sees_the_template();
}

#[test]
fn qemu_is_spared_memory_that_it_has_no_use_for() {
    let program = Program::build();
    let template = TemplateMemory::new(Memory::patterned(PAGES).source(), "test").unwrap();
    template.fill_all().unwrap();
    let setup = ShimSetup::whole(&program.shim(), &template, FIRST_FD).unwrap();
    let mut spared = Qemu::start(setup);
    spared.hello();
    // A template's memfd is sealed; without the shim QEMU needs one that it may write.
    let memory = tempfile::tempfile().unwrap();
    memory
        .set_permissions(Permissions::from_mode(0o666))
        .unwrap();
    let program = Path::new("qemu-system-x86_64");
    let mut plain = Qemu::run(guest::raw_command(
        program,
        &[],
        vec![(FIRST_FD, memory.into())],
    ));
    plain.hello();
    let (spared, plain) = (spared.anonymous_kib(), plain.anonymous_kib());
    // The disassembler's tables are 1.3 MiB, the zeros of the device tree one less 64 KiB.
    assert!(spared + 2048 < plain, "{spared} KiB instead of {plain} KiB");
}
