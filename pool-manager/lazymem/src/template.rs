//! The memory of one template on one node.

use std::{
    fs::File,
    io,
    num::NonZeroUsize,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};

use crate::{
    PageSource, SourceError,
    chunks::{ChunkStates, chunks_of},
    extent::{CHUNK_BYTES, Extent, chunk_extent},
    source::data_within,
    sys::SharedMapping,
};

/// Template memory that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not {attempt} of {bytes} bytes for a template")]
pub struct MemoryError {
    attempt: &'static str,
    bytes: u64,
    #[source]
    source: io::Error,
}

/// A part of a template's memory that could not be filled. What was filled before stays filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The pages could not be read, or are not what was frozen.
    #[error("could not read the template's memory")]
    Source(#[from] SourceError),
    /// There is no memory to put the pages in.
    #[error("could not find memory for chunk {chunk} of the template")]
    Store {
        /// The chunk's number.
        chunk: u64,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// One memfd that all clones of a template on this node map privately.
///
/// Owns the descriptor and the only mapping through which it can be written: it was sealed against
/// every other writer, growing and shrinking before [`fd`](Self::fd) could give it to anybody. Clones
/// hold the memory alive by their own mappings, so dropping this doesn't harm them once it is whole;
/// before that, who needs pages from it holds it.
#[derive(Debug)]
pub struct TemplateMemory {
    memfd: File,
    mapping: SharedMapping,
    chunks: ChunkStates,
    source: Arc<dyn PageSource>,
}

/// Room for one chunk on its way from the source; one for each thread that fills.
#[derive(Debug)]
pub(crate) struct ChunkBuffer(Box<[u8]>);

impl ChunkBuffer {
    pub(crate) fn new() -> Self {
        Self(vec![0; CHUNK_BYTES as usize].into_boxed_slice())
    }

    /// Room for so many bytes, at most a chunk.
    pub(crate) fn first(&mut self, len: u64) -> &mut [u8] {
        &mut self.0[..len as usize]
    }
}

impl TemplateMemory {
    /// Makes empty memory of the source's length. `name` is what `/proc/PID/maps` shows.
    ///
    /// # Errors
    /// When the kernel gives no memfd, no such length or no address space.
    pub fn new(source: Arc<dyn PageSource>, name: &str) -> Result<Self, MemoryError> {
        let bytes = source.len_bytes();
        let failed = |attempt| {
            move |error: io::Error| MemoryError {
                attempt,
                bytes,
                source: error,
            }
        };
        let memfd = create(name).map_err(failed("make a memfd"))?;
        memfd.set_len(bytes).map_err(failed("set the length"))?;
        let len = usize::try_from(bytes)
            .ok()
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| failed("make a mapping")(io::ErrorKind::InvalidInput.into()))?;
        let mapping = SharedMapping::new(&memfd, len).map_err(failed("make a mapping"))?;
        let seals = SealFlag::F_SEAL_FUTURE_WRITE
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_SEAL;
        fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals))
            .map_err(io::Error::from)
            .map_err(failed("seal a memfd"))?;
        Ok(Self {
            chunks: ChunkStates::new(bytes, source.data_extents()),
            memfd,
            mapping,
            source,
        })
    }

    /// The sealed memfd. Until the template [is whole](Self::is_whole), a mapping of it that is not
    /// registered with the page server reads zeros where data should be.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }

    /// The guest's memory in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.source.len_bytes()
    }

    /// Where the pages come from.
    pub fn source(&self) -> &Arc<dyn PageSource> {
        &self.source
    }

    /// Whether every page that holds data is in the memfd. It stays so.
    pub fn is_whole(&self) -> bool {
        self.chunks.is_whole()
    }

    /// How much is still to be filled, in bytes, rounded up to chunks.
    pub fn missing_bytes(&self) -> u64 {
        self.chunks.missing() * CHUNK_BYTES
    }

    /// Fills all that is missing. Blocks: about 150 ms for 100 MiB in the page cache, a disk's time
    /// otherwise. May run beside other fillings; returns when the template is whole.
    ///
    /// # Errors
    /// At the first chunk that can't be filled.
    pub fn fill_all(&self) -> Result<(), FillError> {
        let mut buffer = ChunkBuffer::new();
        for extent in self.source.data_extents() {
            self.fill(*extent, &mut buffer)?;
        }
        Ok(())
    }

    /// Fills the chunks that a range touches.
    pub(crate) fn fill(&self, extent: Extent, buffer: &mut ChunkBuffer) -> Result<(), FillError> {
        for chunk in chunks_of(extent) {
            self.fill_chunk(chunk, buffer)?;
        }
        Ok(())
    }

    pub(crate) fn fill_chunk(&self, chunk: u64, buffer: &mut ChunkBuffer) -> Result<(), FillError> {
        if self.chunks.is_filled(chunk) {
            return Ok(());
        }
        let Some(filling) = self.chunks.begin(chunk) else {
            return Ok(());
        };
        let whole = chunk_extent(chunk, self.len_bytes());
        let bytes = buffer.first(whole.len);
        self.source.read_exact_at(whole.offset, bytes)?;
        for data in data_within(self.source.as_ref(), whole) {
            let from = (data.offset - whole.offset) as usize;
            self.mapping
                .store(data.offset as usize, &bytes[from..from + data.len as usize])
                .map_err(|source| FillError::Store { chunk, source })?;
        }
        filling.done();
        Ok(())
    }
}

/// A memfd that can be sealed, and never executed where the kernel knows that (Linux 6.3).
fn create(name: &str) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let no_exec = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let memfd = match memfd_create(name, flags | no_exec) {
        Err(Errno::EINVAL) => memfd_create(name, flags)?,
        other => other?,
    };
    Ok(File::from(memfd))
}
