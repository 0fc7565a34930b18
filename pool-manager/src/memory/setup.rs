//! How a node gives memory to clones.

use std::{fmt, io};

use serde::{Deserialize, Serialize};
use thaw_lazymem::{ChoiceCause, MemoryChoice, MemoryMode, PageService};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The form of a template's memory on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateFormat {
    /// A sparse file: quickest to restore from, and the only one that can be mapped without userfaultfd.
    #[default]
    Plain,
    /// zstd by chunk: about a third of the disk, some CPU for each chunk that is read. Without
    /// userfaultfd it is read whole before its first clone.
    Zstd,
}

impl fmt::Display for TemplateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Zstd => "zstd",
        })
    }
}

/// What a node is told about memory.
#[derive(Debug, Clone)]
pub struct MemorySetup {
    /// How clones get it, and why.
    pub choice: MemoryChoice,
    /// How new templates are written. Templates of either form are used.
    pub format: TemplateFormat,
}

impl MemorySetup {
    /// Mappings of plain files, for this reason.
    pub fn file(reason: impl Into<String>) -> Self {
        Self {
            choice: MemoryChoice {
                mode: MemoryMode::File,
                cause: ChoiceCause::Configured,
                reason: reason.into(),
            },
            format: TemplateFormat::Plain,
        }
    }
}

/// What a node works with.
#[derive(Debug, Clone)]
pub(crate) struct NodeMemory {
    pub(crate) setup: MemorySetup,
    /// There in mode `uffd` only.
    pub(crate) service: Option<PageService>,
}

impl NodeMemory {
    /// Starts the page server where there is to be one; `tracker` waits for its end, which comes with
    /// `stop`.
    pub(crate) fn start(
        setup: MemorySetup,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let service = match setup.choice.mode {
            MemoryMode::File => None,
            MemoryMode::Uffd => {
                let (service, running) = PageService::start()?;
                let stop = stop.clone();
                tracker.spawn(async move {
                    // Clones that are served at this moment end with the node.
                    let _ = stop.run_until_cancelled(running).await;
                });
                Some(service)
            }
        };
        Ok(Self { setup, service })
    }
}
