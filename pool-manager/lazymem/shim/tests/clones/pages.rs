//! What guests read while their template is filled, mapped and completed.

use std::sync::Arc;

use nix::sys::resource::{Resource, setrlimit};
use thaw_lazymem::{
    Memory as Pages, PageServer, Recording, ServeError, TemplateMemory, WorkingSet,
};
use tokio::time::timeout;

use crate::{
    common::Memory,
    guest::{Program, SOON},
};

#[tokio::test]
async fn a_clone_reads_every_page_right_by_faults_alone() {
    let program = Program::build();
    let template = Arc::new(TemplateMemory::new(Memory::patterned(4003).source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(
            arrival,
            Pages::Shared(Arc::clone(&template)),
            Recording::Off,
        )
        .unwrap();
    guest.mapped();
    assert_eq!(guest.ask("check"), "right");
    assert!(clone.fault_count() > 0);
    assert!(!clone.is_independent());
    // The faults alone have filled it, yet nobody has looked; now it is noticed.
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
    // The check can fail: by now the guest has written pages itself.
    assert!(guest.ask("check").starts_with("wrong "));
}

/// The heart: faults of four threads of two clones, the mapping of a working set, completion and
/// detachment, all at the same time, over and over.
#[tokio::test]
async fn no_clone_reads_a_wrong_page_whatever_happens_at_once() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let server = PageServer::start().unwrap();
    for round in 0..40_u64 {
        let template = Arc::new(TemplateMemory::new(memory.source(), "test").unwrap());
        let mut guests = Vec::new();
        for _ in 0..2 {
            let (mut guest, arrival) = program.lazy(&template);
            let pages = Pages::Shared(Arc::clone(&template));
            let clone = server.attach(arrival, pages, Recording::Off).unwrap();
            guest.mapped();
            guests.push((guest, clone));
        }
        let set = WorkingSet::from_pages(
            (0..4003).filter(|page| page % 13 == round % 13 || page % 64 < round),
        );
        for (guest, _) in &mut guests {
            guest.say("check");
        }
        if round % 4 < 2 {
            guests[0].1.complete().unwrap();
        }
        for (_, clone) in &guests {
            clone.map_working_set(&set).unwrap();
        }
        guests[1].1.complete().unwrap();
        for (guest, clone) in &mut guests {
            timeout(SOON, clone.independent()).await.unwrap().unwrap();
            assert_eq!(guest.line(), "right", "round {round}");
        }
        assert!(template.is_whole());
    }
}

#[tokio::test]
async fn a_clone_of_a_whole_template_is_independent_at_once() {
    let program = Program::build();
    let template = Arc::new(TemplateMemory::new(Memory::patterned(403).source(), "test").unwrap());
    template.fill_all().unwrap();
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Off)
        .unwrap();
    assert!(clone.is_independent());
    drop((clone, server));
    guest.mapped();
    assert_eq!(guest.ask("check"), "right");
}

#[tokio::test]
async fn a_recorded_working_set_saves_the_faults_of_the_next_clone() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let server = PageServer::start().unwrap();
    let mut recordings = Vec::new();
    for _ in 0..2 {
        let template = Arc::new(TemplateMemory::new(memory.source(), "test").unwrap());
        let (mut guest, arrival) = program.lazy(&template);
        let clone = server
            .attach(arrival, Pages::Shared(template), Recording::Pages(10_000))
            .unwrap();
        guest.mapped();
        guest.ask("sum 100 50");
        guest.ask("sum 2000 300");
        assert!(clone.fault_count() >= 350);
        recordings.push(clone.recorded().unwrap());
    }
    let set = WorkingSet::common(&recordings);
    assert_eq!(
        set.pages().collect::<Vec<_>>(),
        (100..150).chain(2000..2300).collect::<Vec<_>>()
    );

    let template = Arc::new(TemplateMemory::new(memory.source(), "test").unwrap());
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Off)
        .unwrap();
    guest.mapped();
    assert_eq!(clone.map_working_set(&set).unwrap(), 350);
    guest.ask("sum 100 50");
    guest.ask("sum 2000 300");
    assert_eq!(clone.fault_count(), 0);
    assert_eq!(guest.ask("check"), "right");
}

#[test]
fn a_recording_that_is_full_stops_and_the_clone_goes_on() {
    let program = Program::build();
    let template = Arc::new(TemplateMemory::new(Memory::patterned(403).source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Pages(20))
        .unwrap();
    assert_eq!(guest.ask("check"), "mapped alone");
    assert_eq!(guest.line(), "right");
    assert_eq!(clone.recorded().unwrap().page_count(), 20);
}

#[tokio::test]
async fn a_clone_with_memory_of_its_own_gets_copies() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let server = PageServer::start().unwrap();
    for round in 0..10 {
        let template = TemplateMemory::new(memory.source(), "test").unwrap();
        let (mut guest, arrival) = program.lazy(&template);
        let pages = Pages::Own(memory.source());
        let clone = server.attach(arrival, pages, Recording::Off).unwrap();
        guest.mapped();
        guest.say("check");
        if round % 2 == 0 {
            clone
                .map_working_set(&WorkingSet::from_pages((0..4003).step_by(3)))
                .unwrap();
            clone.complete().unwrap();
            timeout(SOON, clone.independent()).await.unwrap().unwrap();
        }
        assert_eq!(guest.line(), "right");
        assert!(!template.is_whole(), "copies don't touch the template");
    }
}

#[tokio::test]
async fn thirty_clones_start_at_once() {
    // A process has 1024 descriptors unless it asks for more.
    setrlimit(Resource::RLIMIT_NOFILE, 4096, 4096).unwrap();
    let program = Program::build();
    let template = Arc::new(TemplateMemory::new(Memory::patterned(4003).source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let mut clones: Vec<_> = (0..30)
        .map(|_| {
            let (guest, arrival) = program.lazy(&template);
            let pages = Pages::Shared(Arc::clone(&template));
            (
                guest,
                server.attach(arrival, pages, Recording::Off).unwrap(),
            )
        })
        .collect();
    for (guest, _) in &mut clones {
        guest.mapped();
        guest.say("check");
    }
    clones[0].1.complete().unwrap();
    for (guest, clone) in &mut clones {
        timeout(SOON, clone.independent()).await.unwrap().unwrap();
        assert_eq!(guest.line(), "right");
    }
}

#[tokio::test]
async fn a_clone_that_is_gone_before_it_is_complete_is_told_apart() {
    let program = Program::build();
    let template = Arc::new(TemplateMemory::new(Memory::patterned(403).source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Off)
        .unwrap();
    guest.mapped();
    guest.kill();
    clone.complete().unwrap();
    let error = timeout(SOON, clone.independent())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, ServeError::Gone), "{error}");
}
