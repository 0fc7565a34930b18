//! The index: inodes, and directories that name them.

use std::collections::BTreeMap;

use crate::tar::{Content, Meta};

/// Index of an inode in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InodeId(usize);

/// What an inode is.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Directory(BTreeMap<Box<[u8]>, Name>),
    File(Content),
    Symlink(Box<[u8]>),
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

/// A directory's entry and the layer that wrote it last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) inode: InodeId,
    pub(crate) layer: usize,
}

/// Metadata and body. An inode with several names is a hard-linked file.
#[derive(Debug, Clone)]
pub(crate) struct Inode {
    pub(crate) meta: Meta,
    pub(crate) body: Body,
}

/// A root filesystem in memory. Inodes that lost their last name stay until the tree goes; the entry limit bounds them.
#[derive(Debug)]
pub(crate) struct Tree {
    inodes: Vec<Inode>,
}

impl Tree {
    /// Only a root directory, as an image without an entry for it has: 0755, root's, 1970.
    pub(crate) fn new() -> Self {
        Self {
            inodes: vec![Inode {
                meta: implied_directory(),
                body: Body::Directory(BTreeMap::new()),
            }],
        }
    }

    pub(crate) fn root(&self) -> InodeId {
        InodeId(0)
    }

    /// How many inodes there are, named or not.
    pub(crate) fn inodes(&self) -> usize {
        self.inodes.len()
    }

    pub(crate) fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0]
    }

    pub(crate) fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.0]
    }

    pub(crate) fn insert(&mut self, inode: Inode) -> InodeId {
        self.inodes.push(inode);
        InodeId(self.inodes.len() - 1)
    }

    /// The entries of a directory; of anything else, none.
    pub(crate) fn children(&self, id: InodeId) -> Option<&BTreeMap<Box<[u8]>, Name>> {
        match &self.inode(id).body {
            Body::Directory(children) => Some(children),
            _ => None,
        }
    }

    pub(crate) fn is_directory(&self, id: InodeId) -> bool {
        self.children(id).is_some()
    }

    pub(crate) fn child(&self, directory: InodeId, name: &[u8]) -> Option<Name> {
        self.children(directory)?.get(name).copied()
    }

    /// Gives `inode` a name in `directory`, in the place of what had it.
    pub(crate) fn link(&mut self, directory: InodeId, name: &[u8], entry: Name) {
        if let Body::Directory(children) = &mut self.inode_mut(directory).body {
            children.insert(name.into(), entry);
        }
    }

    pub(crate) fn unlink(&mut self, directory: InodeId, name: &[u8]) {
        if let Body::Directory(children) = &mut self.inode_mut(directory).body {
            children.remove(name);
        }
    }

    /// Takes the name at `path` away, where it is; symbolic links are not followed.
    pub(crate) fn remove(&mut self, path: &[u8]) {
        let mut directory = self.root();
        let mut names = path.split(|b| *b == b'/').peekable();
        while let Some(name) = names.next() {
            match (self.child(directory, name), names.peek()) {
                (Some(found), Some(_)) => directory = found.inode,
                (Some(_), None) => self.unlink(directory, name),
                (None, _) => return,
            }
        }
    }

    /// A new empty directory that no entry described.
    pub(crate) fn make_directory(&mut self, parent: InodeId, name: &[u8], layer: usize) -> InodeId {
        let inode = self.insert(Inode {
            meta: implied_directory(),
            body: Body::Directory(BTreeMap::new()),
        });
        self.link(parent, name, Name { inode, layer });
        inode
    }

    /// Bytes of all files that have a name, each inode once.
    pub(crate) fn content_bytes(&self) -> u64 {
        let mut seen = vec![false; self.inodes.len()];
        let mut waiting = vec![self.root()];
        let mut bytes = 0u64;
        while let Some(id) = waiting.pop() {
            if std::mem::replace(&mut seen[id.0], true) {
                continue;
            }
            match &self.inode(id).body {
                Body::Directory(children) => {
                    waiting.extend(children.values().map(|name| name.inode))
                }
                Body::File(content) => bytes = bytes.saturating_add(content.size),
                _ => {}
            }
        }
        bytes
    }
}

fn implied_directory() -> Meta {
    Meta {
        mode: 0o755,
        ..Meta::default()
    }
}
