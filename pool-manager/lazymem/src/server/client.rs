//! One clone that is served: its userfaultfd, its regions, and how a page gets there.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use nix::errno::Errno;
use tokio::sync::watch;

use super::ServeError;
use crate::{
    Arrival, PageSource, TemplateMemory, WorkingSet,
    chunks::chunks_of,
    extent::{Extent, PAGE_BYTES, chunk_extent},
    handshake::Region,
    source::data_within,
    sys::{Outcome, Userfault},
    template::ChunkBuffer,
};

/// Numbers are never used twice in this process, so a clone keeps its own from server to server.
static NEXT_ID: AtomicU64 = AtomicU64::new(super::shared::BELL + 1);

/// How often a page is tried again while the clone's address space changes.
const MAX_RETRIES: u32 = 10_000;

/// Where a clone's pages go.
#[derive(Debug, Clone)]
pub enum Memory {
    /// The clone maps the template's memfd privately: clean pages are shared (`UFFDIO_CONTINUE`).
    Shared(Arc<TemplateMemory>),
    /// The clone has memory of its own, as Firecracker's: it gets copies (`UFFDIO_COPY`). Also for
    /// a VMM that outlived the process with its template's only writable mapping.
    Own(Arc<dyn PageSource>),
}

/// Whether the faults of a clone are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// No; a fault brings its neighbours in the same chunk along.
    Off,
    /// Yes, page by page, at most so many pages; what is touched after that is not in the recording.
    Pages(usize),
}

/// What a clone has come to.
#[derive(Debug, Clone)]
pub(super) enum State {
    Served,
    Independent,
    Failed(ServeError),
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) uffd: Userfault,
    pub(super) regions: Vec<Region>,
    pub(super) memory: Memory,
    pub(super) state: watch::Sender<State>,
    faults: AtomicU64,
    recorder: Option<Mutex<Vec<u64>>>,
}

impl Memory {
    /// The length of the guest's memory in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.source().len_bytes()
    }

    fn source(&self) -> &Arc<dyn PageSource> {
        match self {
            Self::Shared(template) => template.source(),
            Self::Own(source) => source,
        }
    }
}

impl Client {
    pub(super) fn new(arrival: Arrival, memory: Memory, recording: Recording) -> Self {
        let recorder = match recording {
            Recording::Off => None,
            // All its room now, so that writing a fault down never allocates.
            Recording::Pages(most) => Some(Mutex::new(Vec::with_capacity(most))),
        };
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            uffd: arrival.uffd,
            regions: arrival.regions,
            memory,
            state: watch::Sender::new(State::Served),
            faults: AtomicU64::new(0),
            recorder,
        }
    }

    /// Answers one fault.
    pub(super) fn serve(&self, address: u64, buffer: &mut ChunkBuffer) -> Result<(), ServeError> {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let address = address / PAGE_BYTES * PAGE_BYTES;
        let region = self
            .regions
            .iter()
            .find(|region| address.wrapping_sub(region.base_host_virt_addr) < region.size)
            .ok_or(ServeError::Stray(address))?;
        let page = Extent {
            offset: region.offset + (address - region.base_host_virt_addr),
            len: PAGE_BYTES,
        };
        let extent = if self.record(page) {
            page
        } else {
            self.around(page, guest_range(region))
        };
        self.provide(region, extent, buffer)
    }

    /// Maps ranges of guest memory, as far as the clone has them.
    pub(super) fn map(
        &self,
        extents: &[Extent],
        buffer: &mut ChunkBuffer,
    ) -> Result<u64, ServeError> {
        let mut bytes = 0;
        for extent in extents {
            for region in &self.regions {
                if let Some(part) = extent.overlap(guest_range(region)) {
                    self.provide(region, part, buffer)?;
                    bytes += part.len;
                }
            }
        }
        Ok(bytes)
    }

    /// Brings all data into a clone that has memory of its own.
    pub(super) fn copy_all(&self, buffer: &mut ChunkBuffer) -> Result<(), ServeError> {
        self.map(self.memory.source().data_extents(), buffer)?;
        Ok(())
    }

    /// Gives the clone's memory back to the kernel. Only when nothing is missing any more.
    pub(super) fn release(&self) -> Result<(), ServeError> {
        for region in &self.regions {
            match self
                .uffd
                .unregister(region.base_host_virt_addr, region.size)
            {
                Outcome::Gone => return Err(ServeError::Gone),
                Outcome::Failed(errno) => {
                    return Err(ServeError::Kernel {
                        attempt: "unregister",
                        errno,
                    });
                }
                Outcome::Done(_) | Outcome::Present | Outcome::Retry | Outcome::Unregistered => {}
            }
        }
        // The kernel wakes who waits before it locks the mapping against new faults (seen in 6.18): one
        // that comes in between waits for an answer that nobody can give any more. None comes after.
        self.wake_all()?;
        self.state.send_replace(State::Independent);
        Ok(())
    }

    /// Lets every waiting thread fault again, so that the next server hears of it.
    pub(super) fn wake_all(&self) -> Result<(), ServeError> {
        for region in &self.regions {
            match self.uffd.wake(region.base_host_virt_addr, region.size) {
                Ok(()) => {}
                Err(Errno::ESRCH) => return Err(ServeError::Gone),
                Err(errno) => {
                    return Err(ServeError::Kernel {
                        attempt: "wake",
                        errno,
                    });
                }
            }
        }
        Ok(())
    }

    /// The clone can't go on. The first reason stays.
    pub(super) fn fail(&self, error: ServeError) {
        self.state.send_if_modified(|state| {
            let first = matches!(state, State::Served);
            if first {
                *state = State::Failed(error);
            }
            first
        });
    }

    pub(super) fn is_served(&self) -> bool {
        matches!(*self.state.borrow(), State::Served)
    }

    pub(super) fn fault_count(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn recorded(&self) -> Option<WorkingSet> {
        let recorder = self.recorder.as_ref()?;
        let pages = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        Some(WorkingSet::from_pages(pages.iter().copied()))
    }

    /// Whether this clone's faults are written down.
    fn record(&self, page: Extent) -> bool {
        let Some(recorder) = &self.recorder else {
            return false;
        };
        let mut pages = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() < pages.capacity() {
            pages.push(page.offset / PAGE_BYTES);
        }
        true
    }

    /// The pages of the same chunk and kind, data or hole, that lie around a page.
    fn around(&self, page: Extent, region: Extent) -> Extent {
        let chunk = chunk_extent(page.offset / crate::CHUNK_BYTES, self.memory.len_bytes());
        let Some(window) = chunk.overlap(region) else {
            return page;
        };
        let mut start = window.offset;
        for data in data_within(self.memory.source().as_ref(), window) {
            if data.overlap(page).is_some() {
                return data;
            }
            if data.offset > page.offset {
                return Extent {
                    offset: start,
                    len: data.offset - start,
                };
            }
            start = data.end();
        }
        Extent {
            offset: start,
            len: window.end() - start,
        }
    }

    /// Maps a range of one region, data and holes, whatever of it is mapped already.
    fn provide(
        &self,
        region: &Region,
        extent: Extent,
        buffer: &mut ChunkBuffer,
    ) -> Result<(), ServeError> {
        let mut at = extent.offset;
        for data in data_within(self.memory.source().as_ref(), extent) {
            self.provide_hole(region, at, data.offset)?;
            self.provide_data(region, data, buffer)?;
            at = data.end();
        }
        self.provide_hole(region, at, extent.end())
    }

    fn provide_hole(&self, region: &Region, from: u64, to: u64) -> Result<(), ServeError> {
        let zero = |address, _, len| self.uffd.zero(address, len);
        self.each(region, from, to, "zero", zero)
    }

    fn provide_data(
        &self,
        region: &Region,
        data: Extent,
        buffer: &mut ChunkBuffer,
    ) -> Result<(), ServeError> {
        match &self.memory {
            Memory::Shared(template) => {
                template
                    .fill(data, buffer)
                    .map_err(|error| ServeError::Fill(Arc::new(error)))?;
                let resume = |address, _, len| self.uffd.resume(address, len);
                self.each(region, data.offset, data.end(), "map", resume)
            }
            Memory::Own(source) => {
                for chunk in chunks_of(data) {
                    let whole = chunk_extent(chunk, source.len_bytes());
                    let Some(part) = data.overlap(whole) else {
                        continue;
                    };
                    let bytes = buffer.first(whole.len);
                    source
                        .read_exact_at(whole.offset, bytes)
                        .map_err(|error| ServeError::Source(Arc::new(error)))?;
                    let copy = |address, offset: u64, len: u64| {
                        let start = (offset - whole.offset) as usize;
                        self.uffd.copy(address, &bytes[start..start + len as usize])
                    };
                    self.each(region, part.offset, part.end(), "copy", copy)?;
                }
                Ok(())
            }
        }
    }

    /// Calls `resolve(address, offset, len)` until the whole range is mapped.
    fn each(
        &self,
        region: &Region,
        from: u64,
        to: u64,
        attempt: &'static str,
        resolve: impl Fn(u64, u64, u64) -> Outcome,
    ) -> Result<(), ServeError> {
        let mut at = from;
        let mut retries = 0;
        // One page at a time once a page in the middle is found mapped: the kernel doesn't say which.
        let mut step = u64::MAX;
        while at < to {
            let address = region.base_host_virt_addr + (at - region.offset);
            match resolve(address, at, step.min(to - at)) {
                Outcome::Done(len) => at += len,
                Outcome::Present if step > PAGE_BYTES && to - at > PAGE_BYTES => {
                    step = PAGE_BYTES;
                }
                Outcome::Present => {
                    // Mapped between the fault and now; who waits here must look again.
                    if self.uffd.wake(address, PAGE_BYTES) == Err(Errno::ESRCH) {
                        return Err(ServeError::Gone);
                    }
                    at += PAGE_BYTES;
                }
                Outcome::Retry if retries < MAX_RETRIES => {
                    retries += 1;
                    step = PAGE_BYTES;
                    std::thread::yield_now();
                }
                Outcome::Retry => {
                    return Err(ServeError::Kernel {
                        attempt,
                        errno: Errno::EAGAIN,
                    });
                }
                Outcome::Gone => return Err(ServeError::Gone),
                Outcome::Unregistered => return Ok(()),
                Outcome::Failed(errno) => return Err(ServeError::Kernel { attempt, errno }),
            }
        }
        Ok(())
    }
}

fn guest_range(region: &Region) -> Extent {
    Extent {
        offset: region.offset,
        len: region.size,
    }
}
