//! Layers, written by another implementation than the one that reads them.

use std::io::Write;

use tar::{Builder, EntryType, Header};

/// Builds a layer entry by entry.
pub(crate) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, path: &str, data: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, 0o644, 0, "", data)
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, 0o755, 0, "", b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Symlink, 0o777, 0, target, b"")
    }

    pub(crate) fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Link, 0o644, 0, target, b"")
    }

    /// Any entry, its path exactly as given: `..` and all.
    pub(crate) fn entry(
        mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        uid: u64,
        link: &str,
        data: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(uid);
        header.set_mtime(1_600_000_000);
        header.set_size(data.len() as u64);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    /// An extended attribute of the next entry.
    pub(crate) fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        let rest = "SCHILY.xattr.".len() + name.len() + value.len() + 3;
        let len = (rest..)
            .find(|len| rest + len.to_string().len() == *len)
            .unwrap();
        let mut record = format!("{len} SCHILY.xattr.{name}=").into_bytes();
        record.write_all(value).unwrap();
        record.push(b'\n');
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(record.len() as u64);
        header.set_cksum();
        self.0.append(&header, record.as_slice()).unwrap();
        self
    }

    pub(crate) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// `data` as gzip.
pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}
