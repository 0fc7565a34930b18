//! The thread that answers faults. It allocates nothing for a fault.

use nix::{
    errno::Errno,
    sys::epoll::{EpollEvent, EpollTimeout},
};

use super::{
    ServeError,
    client::Client,
    shared::{BELL, Presence, Shared},
};
use crate::{sys::FaultBuffer, template::ChunkBuffer};

/// Clones that are heard in one turn.
const EVENTS: usize = 64;
/// Faults that are read from one clone in one turn; a VM has as many at once as it has vCPUs and
/// I/O threads.
const FAULTS: usize = 32;

/// Runs until the server is told to end.
pub(super) fn run(presence: &Presence) {
    let shared = &*presence.0;
    let mut events = [EpollEvent::empty(); EVENTS];
    let mut faults = FaultBuffer::new(FAULTS);
    let mut buffer = ChunkBuffer::new();
    while !shared.is_halted() {
        let count = match shared.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => {
                tracing::error!(%error, "the page server can't wait for faults");
                return;
            }
        };
        for event in &events[..count] {
            if event.data() == BELL {
                // Only rung to look at `stop`.
                continue;
            }
            if let Some(client) = shared.client(event.data()) {
                serve(shared, &client, &mut faults, &mut buffer);
            }
        }
    }
}

fn serve(shared: &Shared, client: &Client, faults: &mut FaultBuffer, buffer: &mut ChunkBuffer) {
    let pending = match client.uffd.faults(faults) {
        Ok(pending) => pending,
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
            client.fail(ServeError::Kernel {
                attempt: "hear of",
                errno,
            });
            shared.remove(client);
            return;
        }
    };
    for address in pending {
        if let Err(error) = client.serve(address, buffer) {
            let gone = matches!(error, ServeError::Gone);
            if !gone {
                tracing::warn!(%error, clone = client.id, "a clone's fault can't be answered");
            }
            client.fail(error);
            if gone {
                shared.remove(client);
                return;
            }
        }
    }
}
