//! Where the pages of a template come from.

mod compressed;
mod error;
mod format;
mod plain;
mod writer;

pub use compressed::{CompressedSource, CompressedWriter};
pub use error::{SourceError, WriteError};
pub use plain::PlainSource;
pub use writer::{SparseWriter, Written};

use crate::{CHUNK_BYTES, Extent, chunks::chunks_of, extent::chunk_extent};

/// The frozen memory of one template, readable at any offset, verified by chunk.
pub trait PageSource: Send + Sync + std::fmt::Debug {
    /// The length of the guest's memory in bytes, a multiple of a page.
    fn len_bytes(&self) -> u64;

    /// The ranges that hold data, sorted, apart, page aligned; all other pages are zero.
    fn data_extents(&self) -> &[Extent];

    /// Fills `buf` from `offset`; what is given back has passed its checksum.
    ///
    /// Both aligned to [`CHUNK_BYTES`] (the end of the memory counts as aligned)
    /// is the fast way and doesn't allocate; anything else reads whole chunks aside first.
    ///
    /// # Errors
    /// When the range is not inside the memory, the file can't be read or is shorter than it says, or
    /// a chunk is not what was written. `buf` then holds nothing of use.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError>;

    /// Reads every chunk that holds data once and checks it.
    ///
    /// # Errors
    /// The first chunk that can't be read or is not what was written.
    fn verify(&self) -> Result<(), SourceError> {
        let mut buffer = vec![0; CHUNK_BYTES as usize];
        for chunk in self
            .data_extents()
            .iter()
            .flat_map(|extent| chunks_of(*extent))
        {
            let extent = chunk_extent(chunk, self.len_bytes());
            self.read_exact_at(extent.offset, &mut buffer[..extent.len as usize])?;
        }
        Ok(())
    }
}

/// The ranges with data inside a range; what lies between them is zero.
pub(crate) fn data_within(source: &dyn PageSource, range: Extent) -> impl Iterator<Item = Extent> {
    let extents = source.data_extents();
    let first = extents.partition_point(|extent| extent.end() <= range.offset);
    extents[first..]
        .iter()
        .map_while(move |extent| extent.overlap(range))
}
