//! The thread that makes templates whole and clones independent.

use std::sync::{Arc, mpsc::Receiver};

use super::{
    ServeError,
    client::{Client, Memory},
    shared::{Presence, Shared},
};
use crate::{TemplateMemory, chunks::chunks_of, template::ChunkBuffer};

/// What is to be completed.
#[derive(Debug)]
pub(super) enum Job {
    /// A template, and with it all clones that share it.
    Template(Arc<TemplateMemory>),
    /// A clone that has memory of its own.
    Own(Arc<Client>),
    /// Nothing: the server ends.
    Stop,
}

/// Runs until the server is told to end.
pub(super) fn run(presence: &Presence, jobs: &Receiver<Job>) {
    let shared = &*presence.0;
    let mut buffer = ChunkBuffer::new();
    while let Ok(job) = jobs.recv() {
        if shared.is_halted() {
            return;
        }
        match job {
            Job::Template(template) => complete(shared, &template, &mut buffer),
            Job::Own(client) => match client.copy_all(&mut buffer) {
                Ok(()) => shared.release(&client),
                Err(error) => client.fail(error),
            },
            Job::Stop => return,
        }
    }
}

fn complete(shared: &Shared, template: &Arc<TemplateMemory>, buffer: &mut ChunkBuffer) {
    let mut filled = Ok(());
    for chunk in template
        .source()
        .data_extents()
        .iter()
        .flat_map(|extent| chunks_of(*extent))
    {
        // Asked for each: who drops a server waits for this thread.
        if shared.is_halted() {
            return;
        }
        filled = template.fill_chunk(chunk, buffer).map_err(Arc::new);
        if filled.is_err() {
            break;
        }
    }
    for client in shared.all_clients() {
        match &client.memory {
            Memory::Shared(its) if Arc::ptr_eq(its, template) => match &filled {
                Ok(()) => shared.release(&client),
                Err(error) => client.fail(ServeError::Fill(Arc::clone(error))),
            },
            Memory::Shared(_) | Memory::Own(_) => {}
        }
    }
}
