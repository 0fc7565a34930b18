//! What goes wrong: bad chunks, killed clones, a page server that panics or is gone.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicBool, Ordering},
};

use thaw_lazymem::{
    Arrival, AttachError, Extent, FillError, Memory as Pages, PageServer, PageSource, PlainSource,
    Recording, ServeError, SourceError, TemplateMemory,
};
use tokio::time::timeout;

use crate::{
    common::{Memory, flip},
    guest::{Program, SOON},
};

/// A source that does something else at the first read of a chunk.
#[derive(Debug)]
struct Trapped {
    source: Arc<dyn PageSource>,
    /// Where the trap lies.
    offset: u64,
    armed: AtomicBool,
    trap: Trap,
}

#[derive(Debug)]
enum Trap {
    Panic,
    /// Says that the read has begun, and waits until it may go on.
    Wait(Barrier, Barrier),
}

impl Trapped {
    fn new(memory: &Memory, offset: u64, trap: Trap) -> Arc<Self> {
        Arc::new(Self {
            source: memory.source(),
            offset,
            armed: AtomicBool::new(true),
            trap,
        })
    }
}

impl PageSource for Trapped {
    fn len_bytes(&self) -> u64 {
        self.source.len_bytes()
    }

    fn data_extents(&self) -> &[Extent] {
        self.source.data_extents()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        if offset == self.offset && self.armed.swap(false, Ordering::AcqRel) {
            match &self.trap {
                Trap::Panic => panic!("injected"),
                Trap::Wait(begun, go_on) => {
                    begun.wait();
                    go_on.wait();
                }
            }
        }
        self.source.read_exact_at(offset, buf)
    }
}

#[tokio::test]
async fn a_clone_killed_in_the_middle_of_a_fault_harms_nobody() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let trap = Trap::Wait(Barrier::new(2), Barrier::new(2));
    let source = Trapped::new(&memory, 0, trap);
    let template = TemplateMemory::new(Arc::clone(&source) as Arc<dyn PageSource>, "test").unwrap();
    let template = Arc::new(template);
    let server = PageServer::start().unwrap();
    let (mut victim, arrival) = program.lazy(&template);
    let killed = server
        .attach(
            arrival,
            Pages::Shared(Arc::clone(&template)),
            Recording::Off,
        )
        .unwrap();
    victim.mapped();
    victim.say("sum 0 1");
    let Trap::Wait(begun, go_on) = &source.trap else {
        unreachable!()
    };
    begun.wait();
    victim.kill();
    go_on.wait();
    let error = timeout(SOON, killed.independent())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, ServeError::Gone), "{error}");

    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Off)
        .unwrap();
    guest.mapped();
    assert_eq!(guest.ask("check"), "right");
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
}

#[tokio::test]
async fn clones_of_a_server_that_panicked_wait_and_a_new_one_takes_them_over() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let source = Trapped::new(&memory, 0, Trap::Panic);
    let template = Arc::new(TemplateMemory::new(source, "test").unwrap());
    let server = PageServer::start().unwrap();
    let mut guests = Vec::new();
    for _ in 0..2 {
        let (mut guest, arrival) = program.lazy(&template);
        let pages = Pages::Shared(Arc::clone(&template));
        let clone = server.attach(arrival, pages, Recording::Off).unwrap();
        guest.mapped();
        guests.push((guest, clone));
    }
    for (guest, _) in &mut guests {
        guest.say("check");
    }
    timeout(SOON, server.lost()).await.unwrap();
    assert!(server.is_lost());
    for (_, clone) in &guests {
        let error = timeout(SOON, clone.independent())
            .await
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, ServeError::ServerLost), "{error}");
    }
    let (_late, arrival) = program.lazy(&template);
    let refused = server.attach(
        arrival,
        Pages::Shared(Arc::clone(&template)),
        Recording::Off,
    );
    assert!(matches!(refused, Err(AttachError::ServerLost)));

    let next = PageServer::start().unwrap();
    for (_, clone) in &mut guests {
        next.take_over(clone).unwrap();
    }
    drop(server);
    for (guest, clone) in &mut guests {
        assert_eq!(guest.line(), "right");
        clone.complete().unwrap();
        timeout(SOON, clone.independent()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_panic_in_the_background_loses_the_server_too() {
    let program = Program::build();
    let memory = Memory::patterned(403);
    let source = Trapped::new(&memory, 0, Trap::Panic);
    let template = Arc::new(TemplateMemory::new(source, "test").unwrap());
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let clone = server
        .attach(arrival, Pages::Shared(template), Recording::Off)
        .unwrap();
    clone.complete().unwrap();
    let error = timeout(SOON, clone.independent())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, ServeError::ServerLost), "{error}");
    guest.mapped();
    guest.say("check");
    let next = PageServer::start().unwrap();
    next.take_over(&clone).unwrap();
    assert_eq!(guest.line(), "right");
}

/// The daemon was killed: its userfaultfds are closed, its writable mapping is gone. The VMM's own
/// descriptor has kept the guest waiting.
#[tokio::test]
async fn a_vmm_whose_page_server_is_gone_waits_and_can_be_recovered() {
    let program = Program::build();
    let memory = Memory::patterned(4003);
    let template = Arc::new(TemplateMemory::new(memory.source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let (mut guest, arrival) = program.lazy(&template);
    let regions = arrival.regions().to_vec();
    let clone = server
        .attach(
            arrival,
            Pages::Shared(Arc::clone(&template)),
            Recording::Off,
        )
        .unwrap();
    guest.mapped();
    guest.ask("sum 0 100");
    drop((clone, server, template));
    guest.say("check");

    let next = PageServer::start().unwrap();
    let arrival = Arrival::recover(guest.pid(), regions).unwrap();
    let clone = next
        .attach(arrival, Pages::Own(memory.source()), Recording::Off)
        .unwrap();
    assert_eq!(guest.line(), "right");
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_bad_chunk_fails_its_clone_and_other_templates_go_on() {
    let program = Program::build();
    let memory = Memory::patterned(403);
    let frozen = memory.frozen();
    let source = PlainSource::open(frozen.try_clone().unwrap()).unwrap();
    flip(&frozen, source.data_offset() + 81 * 4096);
    let bad = Arc::new(TemplateMemory::new(Arc::new(source), "bad").unwrap());
    let good = Arc::new(TemplateMemory::new(memory.source(), "good").unwrap());
    let server = PageServer::start().unwrap();
    let (mut unlucky, arrival) = program.lazy(&bad);
    let failed = server
        .attach(arrival, Pages::Shared(bad), Recording::Off)
        .unwrap();
    let (mut guest, arrival) = program.lazy(&good);
    let clone = server
        .attach(arrival, Pages::Shared(good), Recording::Off)
        .unwrap();
    unlucky.mapped();
    guest.mapped();
    unlucky.say("sum 81 1");
    let error = timeout(SOON, failed.independent())
        .await
        .unwrap()
        .unwrap_err();
    let ServeError::Fill(error) = error else {
        panic!("{error}");
    };
    assert!(
        matches!(
            *error,
            FillError::Source(SourceError::Checksum { chunk: 5 })
        ),
        "{error}"
    );
    assert_eq!(guest.ask("check"), "right");
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
    // Its fault was never answered.
    assert!(unlucky.child.try_wait().unwrap().is_none());
}

#[test]
fn a_region_past_the_end_of_the_memory_is_refused() {
    let program = Program::build();
    let large = TemplateMemory::new(Memory::patterned(403).source(), "test").unwrap();
    let small = Arc::new(TemplateMemory::new(Memory::patterned(100).source(), "test").unwrap());
    let server = PageServer::start().unwrap();
    let (_guest, arrival) = program.lazy(&large);
    let refused = server.attach(arrival, Pages::Shared(small), Recording::Off);
    assert!(matches!(refused, Err(AttachError::Region { .. })));
}
