//! Writes the tree as one tar, in an order that depends on nothing but the tree.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::layers::tree::{Body, InodeId, Tree};
use crate::tar::{Kind, TarWriter};

/// Longest path that Linux takes (PATH_MAX without the NUL).
const MAX_PATH_BYTES: usize = 4095;

/// Writes everything below the root to `out`: directories before what is in them, names sorted, and each further name of an
/// inode as a hard link. `after` hears after each entry how many bytes of files were written; it may refuse to go on.
pub(crate) fn compose<W: Write>(
    tree: &Tree,
    out: W,
    mut after: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<W> {
    let mut writer = TarWriter::new(out);
    let mut first_names: HashMap<InodeId, Vec<u8>> = HashMap::new();
    let mut waiting: Vec<(Vec<u8>, InodeId)> = Vec::new();
    let mut bytes = 0;
    push_children(tree, tree.root(), b"", &mut waiting);
    while let Some((path, id)) = waiting.pop() {
        if path.len() > MAX_PATH_BYTES {
            // Links can nest directories deeper than any one entry's path.
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let inode = tree.inode(id);
        let kind = match (&inode.body, first_names.get(&id)) {
            (Body::Directory(_), _) => Kind::Directory,
            (_, Some(first)) => Kind::HardLink(first.clone()),
            (Body::File(content), None) => {
                bytes += content.size;
                Kind::File(content.clone())
            }
            (Body::Symlink(target), None) => Kind::Symlink(target.to_vec()),
            (Body::CharDevice { major, minor }, None) => Kind::CharDevice {
                major: *major,
                minor: *minor,
            },
            (Body::BlockDevice { major, minor }, None) => Kind::BlockDevice {
                major: *major,
                minor: *minor,
            },
            (Body::Fifo, None) => Kind::Fifo,
        };
        writer.append(&path, &inode.meta, &kind)?;
        match kind {
            Kind::Directory => push_children(tree, id, &path, &mut waiting),
            Kind::HardLink(_) => {}
            _ => {
                first_names.insert(id, path);
            }
        }
        after(bytes)?;
    }
    writer.finish()
}

/// Stacks the children so that the first name is on top.
fn push_children(tree: &Tree, id: InodeId, path: &[u8], waiting: &mut Vec<(Vec<u8>, InodeId)>) {
    let Some(children) = tree.children(id) else {
        return;
    };
    for (name, entry) in children.iter().rev() {
        let mut full = path.to_vec();
        if !full.is_empty() {
            full.push(b'/');
        }
        full.extend_from_slice(name);
        waiting.push((full, entry.inode));
    }
}
