//! A node's page server that loses its threads.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use thaw_lazymem::{
    Extent, PageService, PageSource, Recording, ServeError, SourceError, TemplateMemory,
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    common::Memory,
    guest::{Program, SOON},
};

/// A source that panics at the first reads of its first chunk.
#[derive(Debug)]
struct Panics {
    source: Arc<dyn PageSource>,
    left: AtomicU32,
}

impl PageSource for Panics {
    fn len_bytes(&self) -> u64 {
        self.source.len_bytes()
    }

    fn data_extents(&self) -> &[Extent] {
        self.source.data_extents()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let down = |left: u32| left.checked_sub(1);
        if offset == 0
            && self
                .left
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, down)
                .is_ok()
        {
            panic!("injected");
        }
        self.source.read_exact_at(offset, buf)
    }
}

fn template(panics: u32) -> Arc<TemplateMemory> {
    let source = Panics {
        source: Memory::patterned(4003).source(),
        left: AtomicU32::new(panics),
    };
    Arc::new(TemplateMemory::new(Arc::new(source), "test").unwrap())
}

fn start() -> (PageService, JoinSet<()>) {
    let (service, running) = PageService::start().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(running);
    (service, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_of_a_lost_server_are_taken_over_and_become_independent() {
    let program = Program::build();
    let (service, mut tasks) = start();
    let template = template(2);
    let mut guests = Vec::new();
    for _ in 0..3 {
        let (mut guest, arrival) = program.lazy(&template);
        let clone = service
            .serve(arrival, template.clone(), Recording::Off)
            .await
            .unwrap();
        guest.mapped();
        guest.say("check");
        clone.complete().unwrap();
        guests.push((guest, clone));
    }
    for (guest, clone) in &mut guests {
        timeout(SOON, clone.independent()).await.unwrap().unwrap();
        assert_eq!(guest.line(), "right");
    }
    assert!(service.restarts() > 0);
    // And the next clone is served as if nothing had happened.
    let (mut guest, arrival) = program.lazy(&template);
    let clone = service
        .serve(arrival, template, Recording::Off)
        .await
        .unwrap();
    guest.mapped();
    assert_eq!(guest.ask("check"), "right");
    assert!(clone.is_independent());
    drop((service, clone));
    timeout(SOON, tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_ends_every_server_is_given_up_and_others_go_on() {
    let program = Program::build();
    let (service, _tasks) = start();
    let poisonous = template(u32::MAX);
    let (mut victim, arrival) = program.lazy(&poisonous);
    let doomed = service
        .serve(arrival, poisonous, Recording::Pages(100))
        .await
        .unwrap();
    victim.mapped();
    victim.say("sum 0 1");
    let error = timeout(SOON, doomed.failed()).await.unwrap();
    assert!(matches!(error, ServeError::ServerLost), "{error}");
    assert_eq!(doomed.recorded(), None);

    let good = template(0);
    let (mut guest, arrival) = program.lazy(&good);
    let clone = service.serve(arrival, good, Recording::Off).await.unwrap();
    guest.mapped();
    assert_eq!(guest.ask("check"), "right");
    clone.complete().unwrap();
    timeout(SOON, clone.independent()).await.unwrap().unwrap();
    // It waits still; it has read nothing.
    assert!(victim.child.try_wait().unwrap().is_none());
}
