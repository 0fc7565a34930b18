//! What an archive holds, checked and in a fixed order.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
};

use super::{
    CodeError, CodeLimits,
    path::{check_link, inside},
};

/// Everything of an archive that becomes something in the guest.
#[derive(Debug)]
pub(super) struct Entries {
    limits: CodeLimits,
    found: BTreeMap<String, Entry>,
    bytes: u64,
}

#[derive(Debug)]
enum Entry {
    Folder,
    /// Its content lies in the spool.
    File {
        executable: bool,
        offset: u64,
        length: u64,
    },
    Link(String),
}

impl Entries {
    pub(super) fn new(limits: CodeLimits) -> Self {
        Self {
            limits,
            found: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn folder(&mut self, path: &str) -> Result<(), CodeError> {
        match inside(path)? {
            Some(path) => self.enter(path, Entry::Folder),
            None => Ok(()),
        }
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), CodeError> {
        let path = self.named(path)?;
        check_link(&path, target)?;
        self.enter(path, Entry::Link(target.to_owned()))
    }

    /// Takes a file's content, as much as there is and no more than is allowed; what the archive says of
    /// its size is not believed.
    pub(super) fn file(
        &mut self,
        path: &str,
        executable: bool,
        format: &'static str,
        content: &mut impl Read,
        spool: &mut impl Write,
    ) -> Result<(), CodeError> {
        let path = self.named(path)?;
        let limit = self.limits.unpacked_bytes;
        let left = limit - self.bytes;
        let length = io::copy(&mut content.take(left + 1), spool).map_err(|error| {
            if error.raw_os_error().is_some() {
                CodeError::io("write")(error)
            } else {
                CodeError::Damaged {
                    format,
                    reason: error.to_string(),
                }
            }
        })?;
        if length > left {
            return Err(CodeError::Bomb { limit });
        }
        let offset = self.bytes;
        self.bytes += length;
        self.enter(
            path,
            Entry::File {
                executable,
                offset,
                length,
            },
        )
    }

    fn named(&self, path: &str) -> Result<String, CodeError> {
        inside(path)?.ok_or_else(|| CodeError::BadPath {
            path: path.to_owned(),
            problem: "is no name for a file",
        })
    }

    /// A path that comes twice is the last one, as with every unpacker.
    fn enter(&mut self, path: String, entry: Entry) -> Result<(), CodeError> {
        self.found.insert(path, entry);
        if self.found.len() > self.limits.entries {
            return Err(CodeError::TooMany {
                limit: self.limits.entries,
            });
        }
        Ok(())
    }

    /// Nothing may lie below what is no folder: a link there would lead a file elsewhere.
    fn check_parents(&self) -> Result<(), CodeError> {
        let mut checked = BTreeSet::new();
        for path in self.found.keys() {
            let mut rest = path.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                if !checked.insert(parent) {
                    break;
                }
                if !matches!(self.found.get(parent), None | Some(Entry::Folder)) {
                    return Err(CodeError::BadPath {
                        path: path.clone(),
                        problem: "lies below a file or link",
                    });
                }
                rest = parent;
            }
        }
        Ok(())
    }

    /// Writes everything as a tar; `content` gives the spooled bytes at an offset.
    pub(super) fn write<R: Read>(
        &self,
        to: impl Write,
        mut content: impl FnMut(u64, u64) -> io::Result<R>,
    ) -> Result<(), CodeError> {
        let is_file = |entry: &Entry| matches!(entry, Entry::File { .. });
        if !self.found.values().any(is_file) {
            return Err(CodeError::Empty);
        }
        self.check_parents()?;
        let failed = || CodeError::io("write");
        let mut tar = tar::Builder::new(to);
        for (path, entry) in &self.found {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            match entry {
                Entry::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, path, io::empty())
                        .map_err(failed())?;
                }
                Entry::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)
                        .map_err(failed())?;
                }
                Entry::File {
                    executable,
                    offset,
                    length,
                } => {
                    header.set_mode(if *executable { 0o755 } else { 0o644 });
                    header.set_size(*length);
                    let content = content(*offset, *length).map_err(failed())?;
                    tar.append_data(&mut header, path, content)
                        .map_err(failed())?;
                }
            }
        }
        tar.into_inner()
            .map_err(failed())?
            .flush()
            .map_err(failed())
    }
}
