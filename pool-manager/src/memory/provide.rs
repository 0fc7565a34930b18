//! Gives a shell its memory.

use std::sync::Arc;

use thaw_lazymem::{Recording, ServedClone, TemplateMemory};
use thaw_vmm::{Shell, ShellMemory, StartError};
use tokio::sync::oneshot;

use super::{NodeMemory, TemplatePages};

/// A shell, and what it needs of the node for its pages.
#[derive(Debug)]
pub(crate) struct Provided {
    pub(crate) shell: Box<dyn Shell>,
    /// None when it needs nobody.
    pub(crate) memory: Option<Arc<ServedClone>>,
}

/// Spawns a shell on a template's pages: served while they are not all there, else by itself.
///
/// # Cancel safety
/// As `spawn`'s; the clone is not served then.
pub(crate) async fn provide<S>(
    node: &NodeMemory,
    pages: &TemplatePages,
    recording: Recording,
    spawn: impl FnOnce(ShellMemory) -> S,
) -> Result<Provided, StartError>
where
    S: Future<Output = Result<Box<dyn Shell>, StartError>>,
{
    let memory = match pages {
        TemplatePages::File(source) => ShellMemory::File(Arc::clone(source)),
        TemplatePages::Shared(template) if template.is_whole() => {
            ShellMemory::Whole(Arc::clone(template))
        }
        TemplatePages::Shared(template) => {
            return serve(node, template, recording, spawn).await;
        }
    };
    Ok(Provided {
        shell: spawn(memory).await?,
        memory: None,
    })
}

async fn serve<S>(
    node: &NodeMemory,
    template: &Arc<TemplateMemory>,
    recording: Recording,
    spawn: impl FnOnce(ShellMemory) -> S,
) -> Result<Provided, StartError>
where
    S: Future<Output = Result<Box<dyn Shell>, StartError>>,
{
    let failed = |source| StartError::Prepare {
        what: "page server",
        source,
    };
    let service = node.service.as_ref().ok_or_else(|| {
        failed(std::io::Error::other(
            "the template is not whole, and there is no page server in this mode",
        ))
    })?;
    let (sender, arrival) = oneshot::channel();
    let lazy = ShellMemory::Lazy {
        template: Arc::clone(template),
        arrival: sender,
    };
    // The VMM may fault before it listens, so it is served while it starts.
    let served = async {
        match arrival.await {
            Ok(arrival) => {
                let served = service.serve(arrival, Arc::clone(template), recording);
                let served = served.await.map_err(std::io::Error::other);
                served.map(Some).map_err(failed)
            }
            // It did not get that far; the other side says why.
            Err(_) => Ok(None),
        }
    };
    let (shell, memory) = tokio::try_join!(spawn(lazy), served)?;
    if memory.is_none() {
        return Err(failed(std::io::Error::other("the VMM gave no userfaultfd")));
    }
    Ok(Provided { shell, memory })
}
