//! What a source yields, and how layers become a tree.

use crate::digest::Digest;
use crate::image::{ImageConfig, RootFs};
use crate::layers::{Applied, LayerError, Spool, Tree, apply_layer};
use crate::progress::Progress;
use crate::tar::{EndOfArchive, Span};
use crate::work::Work;

/// A root filesystem that is ready to be stored, or to be written.
pub(crate) enum Root {
    /// Layers, applied.
    Tree(Tree, ImageConfig),
    /// The root file in the staging folder, a filesystem already.
    File(RootFs),
}

/// A layer as it came, perhaps compressed.
pub(crate) struct LayerBlob {
    pub(crate) data: Span,
    /// What it must hash to when it is unpacked.
    pub(crate) diff_id: Option<Digest>,
}

/// Unpacks and applies layers, lowest first. Blocks.
pub(crate) fn apply_layers(work: &Work, layers: Vec<LayerBlob>) -> Result<Tree, LayerError> {
    let mut tree = Tree::new();
    let mut applied = Applied::default();
    let mut spool = Spool {
        folder: work.folder(),
        limits: &work.limits,
        cancelled: &work.cancelled,
        bytes: 0,
    };
    let count = layers.len();
    for (at, blob) in layers.into_iter().enumerate() {
        let layer = at + 1;
        work.report(Progress::Unpacking {
            layer,
            layers: count,
        });
        let (data, found) = spool.unpack(layer, &blob.data)?;
        let end = match blob.diff_id {
            Some(expected) if expected != found => {
                return Err(LayerError::DigestMismatch {
                    layer,
                    expected,
                    found,
                });
            }
            Some(_) => EndOfArchive::MarkOptional,
            None => EndOfArchive::MarkRequired,
        };
        apply_layer(
            &mut tree,
            layer,
            &data,
            end,
            &work.limits,
            &mut applied,
            &work.cancelled,
        )?;
    }
    Ok(tree)
}
