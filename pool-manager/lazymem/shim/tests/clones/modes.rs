//! The three ways in which the shim maps memory, and its loud failures.

use std::{os::fd::OwnedFd, path::Path, sync::Arc};

use thaw_lazymem::{
    Arrival, HandshakeError, PageSource as _, PlainSource, ShimSetup, TemplateMemory,
};

use crate::{
    common::Memory,
    guest::{FIRST_FD, Program, SOON},
};

#[test]
fn a_whole_template_is_mapped_privately_without_userfaultfd() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let template = TemplateMemory::new(memory.source(), "test").unwrap();
    assert!(ShimSetup::whole(&program.shim(), &template, FIRST_FD).is_err());
    template.fill_all().unwrap();
    for _ in 0..2 {
        let mut guest = program.whole(&template);
        guest.mapped();
        // It writes; the second one must not see it.
        assert_eq!(guest.ask("check"), "right");
        assert_eq!(guest.end(), (0, String::new()));
    }
}

#[test]
fn a_file_stands_in_for_the_memfd_without_userfaultfd() {
    let program = Program::build();
    let frozen = Memory::patterned(4003).frozen();
    let source = Arc::new(PlainSource::open(frozen).unwrap());
    for _ in 0..2 {
        let mut guest = program.file(&source);
        guest.mapped();
        assert_eq!(guest.ask("check"), "right");
    }
    source.verify().unwrap();
}

#[test]
fn a_vmm_whose_page_server_hung_up_ends_with_a_message() {
    let program = Program::build();
    let template = TemplateMemory::new(Memory::patterned(100).source(), "test").unwrap();
    let (setup, socket) = ShimSetup::lazy(&program.shim(), &template, FIRST_FD).unwrap();
    drop(socket);
    let (code, words) = program.start(setup, template.len_bytes()).end();
    assert_eq!(code, 125);
    assert!(
        words.contains("could not hand the userfaultfd to the page server"),
        "{words}"
    );
}

#[test]
fn a_vmm_without_a_userfaultfd_ends_with_a_message_and_the_server_learns_it() {
    let program = Program::build();
    let template = TemplateMemory::new(Memory::patterned(100).source(), "test").unwrap();
    let (setup, socket) = ShimSetup::lazy(&program.shim(), &template, FIRST_FD).unwrap();
    let environment = setup.environment().to_vec();
    let mut descriptors = setup.into_descriptors();
    descriptors[1].1 = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let mut command = crate::guest::raw_command(&program.guest(), &environment, descriptors);
    let output = command
        .args([
            FIRST_FD.to_string(),
            template.len_bytes().to_string(),
            "2".to_owned(),
        ])
        .output()
        .unwrap();
    drop(command);
    assert_eq!(output.status.code(), Some(125));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("could not get a userfaultfd from /dev/userfaultfd"),
        "{words}"
    );
    let error = Arrival::receive(&socket, SOON).unwrap_err();
    assert!(matches!(error, HandshakeError::HungUp), "{error}");
}

#[test]
fn a_shim_that_is_not_told_what_to_do_ends_the_process() {
    let program = Program::build();
    for (plan, message) in [
        (None, "THAW_SHIM is not set"),
        (Some("1 magic memory=10"), "understand THAW_SHIM"),
        (Some("1 whole memory=99"), "find the memory's descriptor"),
    ] {
        let mut environment = vec![("LD_PRELOAD", program.shim().into_os_string())];
        environment.extend(plan.map(|plan| ("THAW_SHIM", plan.into())));
        let output = crate::guest::raw_command(&program.guest(), &environment, Vec::new())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125));
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(message), "{words}");
    }
}

#[test]
fn code_is_set_more_densely_than_on_cache_lines_and_all_else_is_as_it_was() {
    let program = Program::build();
    let template = TemplateMemory::new(Memory::patterned(100).source(), "test").unwrap();
    template.fill_all().unwrap();
    let getconf = Path::new("getconf");
    let answer = |name: &str| {
        let setup = ShimSetup::whole(&program.shim(), &template, FIRST_FD).unwrap();
        let mut command = crate::guest::command(getconf, setup);
        let output = command.arg(name).env("PATH", "/usr/bin:/bin").output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(answer("LEVEL1_ICACHE_LINESIZE"), "16\n");
    for name in ["PAGESIZE", "LEVEL1_DCACHE_LINESIZE"] {
        let mut plain = crate::guest::raw_command(getconf, &[], Vec::new());
        let output = plain.arg(name).env("PATH", "/usr/bin:/bin").output();
        assert_eq!(answer(name).as_bytes(), output.unwrap().stdout, "{name}");
    }
}
