//! Applies one layer to the tree (OCI image specification, "Image Layer Filesystem Changeset").

use std::collections::HashSet;

use crate::layers::error::shown;
use crate::layers::resolve::{Missing, components};
use crate::layers::tree::{Body, Inode, InodeId, Name, Tree};
use crate::layers::{LayerError, Limits};
use crate::tar::{EndOfArchive, Entry, Kind, Span, TarReader};
use crate::work::Cancelled;

/// Marks a removed name of a lower layer.
const WHITEOUT: &[u8] = b".wh.";
/// Marks a directory of which nothing in lower layers is seen.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Begins other marks of AUFS, which mean nothing here.
const AUFS_MARK: &[u8] = b".wh..wh.";
/// Longest name in a directory (NAME_MAX), path and link target (PATH_MAX without the NUL).
const MAX_NAME_BYTES: usize = 255;
const MAX_PATH_BYTES: usize = 4095;

/// Most memory that names, link targets, attributes and sparse maps of one image may take.
const MAX_METADATA_BYTES: u64 = 1 << 30;

/// What has been applied so far, for the limits.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Applied {
    entries: u64,
    bytes: u64,
    metadata_bytes: u64,
}

/// Applies `layer` (numbered from 1) to `tree`.
pub(crate) fn apply_layer(
    tree: &mut Tree,
    layer: usize,
    data: &Span,
    end: EndOfArchive,
    limits: &Limits,
    applied: &mut Applied,
    cancelled: &Cancelled,
) -> Result<(), LayerError> {
    let mut reader = TarReader::new(data, end);
    let mut changes = LayerOf {
        tree,
        layer,
        hidden: HashSet::new(),
    };
    loop {
        if cancelled.is_set() {
            return Err(LayerError::Cancelled);
        }
        let entry = reader
            .next_entry()
            .map_err(|source| LayerError::Tar { layer, source })?;
        let Some(entry) = entry else { return Ok(()) };
        applied.count(&entry, limits)?;
        changes.apply(entry)?;
        // Directories that no entry described count too.
        if changes.tree.inodes() as u64 > limits.max_entries {
            return Err(LayerError::TooManyEntries {
                limit: limits.max_entries,
            });
        }
    }
}

impl Applied {
    fn count(&mut self, entry: &Entry, limits: &Limits) -> Result<(), LayerError> {
        self.entries += 1;
        if self.entries > limits.max_entries {
            return Err(LayerError::TooManyEntries {
                limit: limits.max_entries,
            });
        }
        let held = match &entry.kind {
            Kind::File(content) => {
                self.bytes = self.bytes.saturating_add(content.size);
                content.pieces.len() * size_of::<(u64, Span)>()
            }
            Kind::Symlink(target) | Kind::HardLink(target) => target.len(),
            _ => 0,
        };
        let attributes: usize = entry
            .meta
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.metadata_bytes += (entry.path.len() + held + attributes) as u64;
        if self.metadata_bytes > MAX_METADATA_BYTES {
            return Err(LayerError::TooMuchMetadata {
                limit: MAX_METADATA_BYTES,
            });
        }
        if self.bytes > limits.max_root_bytes {
            return Err(LayerError::TooLarge {
                limit: limits.max_root_bytes,
            });
        }
        Ok(())
    }
}

struct LayerOf<'a> {
    tree: &'a mut Tree,
    layer: usize,
    /// Directories in which nothing of lower layers is left, so that repeated marks cost nothing.
    hidden: HashSet<InodeId>,
}

impl LayerOf<'_> {
    fn apply(&mut self, entry: Entry) -> Result<(), LayerError> {
        self.check(&entry.path, &entry.path)?;
        let path = components(&entry.path);
        let Some((name, parents)) = path.split_last() else {
            // The root itself.
            if matches!(entry.kind, Kind::Directory) {
                let root = self.tree.root();
                self.tree.inode_mut(root).meta = entry.meta;
            }
            return Ok(());
        };
        if *name == OPAQUE {
            if let Some(directory) = self.directory(parents, &entry.path, Missing::Fail)? {
                self.hide_lower(directory);
            }
            return Ok(());
        }
        if name.starts_with(AUFS_MARK) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if let Some(directory) = self.directory(parents, &entry.path, Missing::Fail)? {
                self.white_out(directory, hidden);
            }
            return Ok(());
        }
        let parents = parents.to_vec();
        let name = name.to_vec();
        let path = entry.path.clone();
        let make = Missing::Make { layer: self.layer };
        let Some(directory) = self.directory(&parents, &path, make)? else {
            return Ok(());
        };
        self.put(directory, &name, entry)
    }

    fn put(&mut self, directory: InodeId, name: &[u8], entry: Entry) -> Result<(), LayerError> {
        let layer = self.layer;
        let body = match entry.kind {
            Kind::Directory => {
                if let Some(existing) = self.tree.child(directory, name)
                    && self.tree.is_directory(existing.inode)
                {
                    self.tree.inode_mut(existing.inode).meta = entry.meta;
                    let inode = existing.inode;
                    self.tree.link(directory, name, Name { inode, layer });
                    return Ok(());
                }
                Body::Directory(Default::default())
            }
            Kind::HardLink(target) => {
                let inode = self.link_target(&entry.path, &target)?;
                self.tree.link(directory, name, Name { inode, layer });
                return Ok(());
            }
            Kind::Symlink(target) => {
                self.check_target(&target, &entry.path)?;
                Body::Symlink(target.into())
            }
            Kind::File(content) => Body::File(content),
            Kind::CharDevice { major, minor } => Body::CharDevice { major, minor },
            Kind::BlockDevice { major, minor } => Body::BlockDevice { major, minor },
            Kind::Fifo => Body::Fifo,
        };
        let inode = self.tree.insert(Inode {
            meta: entry.meta,
            body,
        });
        self.tree.link(directory, name, Name { inode, layer });
        Ok(())
    }

    fn link_target(&mut self, path: &[u8], target: &[u8]) -> Result<InodeId, LayerError> {
        let bad = || LayerError::BadHardLink {
            layer: self.layer,
            path: shown(path),
            target: shown(target),
        };
        let parts = components(target);
        let (name, parents) = parts.split_last().ok_or_else(bad)?;
        let bad = bad();
        let directory = self.directory(parents, path, Missing::Fail)?;
        match directory.and_then(|directory| self.tree.child(directory, name)) {
            Some(found) if !self.tree.is_directory(found.inode) => Ok(found.inode),
            _ => Err(bad),
        }
    }

    fn directory(
        &mut self,
        parents: &[&[u8]],
        path: &[u8],
        missing: Missing,
    ) -> Result<Option<InodeId>, LayerError> {
        let layer = self.layer;
        self.tree
            .directory(parents, missing)
            .map_err(|_| LayerError::TooManyLinks {
                layer,
                path: shown(path),
            })
    }

    /// Removes `name` as far as lower layers made it: what this layer put there stays.
    fn white_out(&mut self, directory: InodeId, name: &[u8]) {
        let Some(found) = self.tree.child(directory, name) else {
            return;
        };
        let kept = self.hide_lower(found.inode) || found.layer == self.layer;
        if !kept {
            self.tree.unlink(directory, name);
        }
    }

    /// Removes what lower layers put below `top`; whether anything of this layer is left there.
    /// Walks with a list of its own: an image may nest directories deeper than a thread's stack.
    fn hide_lower(&mut self, top: InodeId) -> bool {
        if !self.tree.is_directory(top) {
            return false;
        }
        if !self.hidden.insert(top) {
            return self.tree.children(top).is_some_and(|c| !c.is_empty());
        }
        let mut found = vec![(top, None)];
        let mut next = 0;
        while let Some((id, _)) = found.get(next).copied() {
            if let Some(children) = self.tree.children(id) {
                found.extend(children.values().map(|name| (name.inode, Some(next))));
            }
            next += 1;
        }
        let mut kept = vec![false; found.len()];
        for (at, (id, parent)) in found.iter().enumerate().rev() {
            let names: Vec<(Box<[u8]>, Name)> = match self.tree.children(*id) {
                Some(children) => children.iter().map(|(n, e)| (n.clone(), *e)).collect(),
                None => Vec::new(),
            };
            for (name, entry) in names {
                let own = entry.layer == self.layer;
                let full = self
                    .tree
                    .children(entry.inode)
                    .is_some_and(|c| !c.is_empty());
                if own || full {
                    kept[at] = true;
                } else {
                    self.tree.unlink(*id, &name);
                }
            }
            if let (true, Some(parent)) = (kept[at], parent) {
                kept[*parent] = true;
            }
        }
        kept[0]
    }

    fn check(&self, part: &[u8], path: &[u8]) -> Result<(), LayerError> {
        let long = part
            .split(|b| *b == b'/')
            .any(|name| name.len() > MAX_NAME_BYTES);
        if part.is_empty() || part.len() > MAX_PATH_BYTES || long || part.contains(&0) {
            return Err(LayerError::BadPath {
                layer: self.layer,
                path: shown(path),
            });
        }
        Ok(())
    }

    fn check_target(&self, target: &[u8], path: &[u8]) -> Result<(), LayerError> {
        if target.is_empty() || target.len() > MAX_PATH_BYTES || target.contains(&0) {
            return Err(LayerError::BadPath {
                layer: self.layer,
                path: shown(path),
            });
        }
        Ok(())
    }
}
