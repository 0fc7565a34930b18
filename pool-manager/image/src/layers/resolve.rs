//! Finds the directory that an entry belongs to, as a chroot would.

use std::collections::VecDeque;

use crate::layers::tree::{Body, InodeId, Tree};

/// How many symbolic links may be followed for one path (MAXSYMLINKS of Linux).
const MAX_HOPS: usize = 40;

/// Whether missing directories on the way are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Made by this layer; what is not a directory gives way to one.
    Make { layer: usize },
    /// The answer is nothing.
    Fail,
}

/// More symbolic links than [`MAX_HOPS`].
#[derive(Debug)]
pub(crate) struct TooManyHops;

/// The components of a path as it was written: empty ones and `.` dropped, `..` taken textually and clamped at the root.
pub(crate) fn components(path: &[u8]) -> Vec<&[u8]> {
    let mut kept = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    kept
}

impl Tree {
    /// The directory at `path`, symbolic links followed inside the root and `..` never leaving it.
    pub(crate) fn directory(
        &mut self,
        path: &[&[u8]],
        missing: Missing,
    ) -> Result<Option<InodeId>, TooManyHops> {
        let mut left: VecDeque<Vec<u8>> = path.iter().map(|part| part.to_vec()).collect();
        let mut walked = vec![self.root()];
        let mut hops = 0;
        while let Some(part) = left.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    if walked.len() > 1 {
                        walked.pop();
                    }
                    continue;
                }
                _ => {}
            }
            let here = walked.last().copied().unwrap_or(self.root());
            let found = self.child(here, &part).map(|name| name.inode);
            let next = match found.map(|id| (id, &self.inode(id).body)) {
                Some((id, Body::Directory(_))) => Some(id),
                Some((_, Body::Symlink(target))) => {
                    hops += 1;
                    if hops > MAX_HOPS {
                        return Err(TooManyHops);
                    }
                    let target = target.clone();
                    if target.starts_with(b"/") {
                        walked.truncate(1);
                    }
                    for piece in target.split(|b| *b == b'/').rev() {
                        left.push_front(piece.to_vec());
                    }
                    continue;
                }
                Some(_) | None => None,
            };
            let next = match (next, missing) {
                (Some(id), _) => id,
                (None, Missing::Make { layer }) => self.make_directory(here, &part, layer),
                (None, Missing::Fail) => return Ok(None),
            };
            walked.push(next);
        }
        Ok(walked.last().copied())
    }
}
