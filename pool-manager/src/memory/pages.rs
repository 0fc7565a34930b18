//! A template's memory on this node.

use std::{fs::File, path::Path, sync::Arc};

use thaw_lazymem::{
    CompressedSource, FillError, MemoryError, MemoryMode, PageSource, PlainSource, SourceError,
    TemplateMemory,
};
use thaw_vmm::BaseMemory;
use thiserror::Error;

use super::TemplateFormat;

/// Where the clones of a template get their pages from. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum TemplatePages {
    /// A memfd that all of them map.
    Shared(Arc<TemplateMemory>),
    /// The template's file, verified, which all of them map.
    File(Arc<PlainSource>),
}

/// A template's memory that can't be given to clones.
#[derive(Debug, Error)]
pub(crate) enum PagesError {
    /// It is not what was frozen. Trying again is of no use.
    #[error("its memory can't be used")]
    Bad(#[from] SourceError),
    /// The host has no memory for it.
    #[error("there is no memory for it")]
    Room(#[from] MemoryError),
    /// The host has no memory for all of it.
    #[error("there is no memory for it")]
    Fill(#[source] FillError),
}

impl TemplatePages {
    /// Opens a template's memory. In mode `uffd` nothing is read but the index; in mode `file` all of it
    /// is, once, because nothing checks a page that the kernel reads.
    pub(crate) fn open(
        path: &Path,
        format: TemplateFormat,
        mode: MemoryMode,
        name: &str,
    ) -> Result<Self, PagesError> {
        let file = File::open(path).map_err(|source| SourceError::Io {
            what: "open the file",
            source,
        })?;
        match (format, mode) {
            (TemplateFormat::Plain, MemoryMode::File) => {
                let source = PlainSource::open(file)?;
                source.verify()?;
                Ok(Self::File(Arc::new(source)))
            }
            (TemplateFormat::Plain, MemoryMode::Uffd) => {
                Self::empty(Arc::new(PlainSource::open(file)?), name)
            }
            (TemplateFormat::Zstd, MemoryMode::Uffd) => {
                Self::empty(Arc::new(CompressedSource::open(file)?), name)
            }
            (TemplateFormat::Zstd, MemoryMode::File) => {
                let memory = TemplateMemory::new(Arc::new(CompressedSource::open(file)?), name)?;
                memory.fill_all().map_err(|error| match error {
                    FillError::Source(source) => PagesError::Bad(source),
                    FillError::Store { .. } => PagesError::Fill(error),
                })?;
                Ok(Self::Shared(Arc::new(memory)))
            }
        }
    }

    /// The same pages for one clone that is watched: in a memfd of its own, empty again, so that the
    /// clone faults on all that it touches.
    pub(crate) fn apart(&self, name: &str) -> Result<Self, MemoryError> {
        match self {
            Self::Shared(memory) => Ok(Self::Shared(Arc::new(TemplateMemory::new(
                Arc::clone(memory.source()),
                name,
            )?))),
            Self::File(source) => Ok(Self::File(Arc::clone(source))),
        }
    }

    fn empty(source: Arc<dyn PageSource>, name: &str) -> Result<Self, PagesError> {
        Ok(Self::Shared(Arc::new(TemplateMemory::new(source, name)?)))
    }

    /// What the private memory of clones differs from.
    pub(crate) fn base(&self) -> BaseMemory {
        match self {
            Self::Shared(memory) => BaseMemory::Template(Arc::clone(memory)),
            Self::File(source) => BaseMemory::File(Arc::clone(source)),
        }
    }

    /// Where the pages come from.
    pub(crate) fn source(&self) -> &dyn PageSource {
        match self {
            Self::Shared(memory) => memory.source().as_ref(),
            Self::File(source) => source.as_ref(),
        }
    }

    /// What of it is in memory that is kept for it, in bytes. A file's pages are in the page cache, as
    /// long as the kernel likes; they don't count.
    pub(crate) fn resident_bytes(&self) -> u64 {
        match self {
            Self::Shared(memory) => {
                let extents = memory.source().data_extents();
                let data: u64 = extents.iter().map(|extent| extent.len).sum();
                data.saturating_sub(memory.missing_bytes())
            }
            Self::File(_) => 0,
        }
    }
}
