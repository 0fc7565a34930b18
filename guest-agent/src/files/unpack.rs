//! A tar archive into a folder.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::{PermissionsExt as _, chown, fchown, symlink},
    path::{Component, Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use nix::{
    sys::stat::{Mode, SFlag, makedev, mknod},
    unistd::{Gid, Uid},
};
use tar::{Archive, Entry, EntryType};
use thaw_guest_protocol::{FailureKind, Reply};

use super::{
    failure::{cut_off, failed, refused},
    info::stat,
    pipe::Incoming,
    replacement::Replacement,
};
use crate::failure::OperationError;

/// Unpacks what comes from the host.
pub(super) fn unpack(path: &Path, mut incoming: Incoming) -> Result<Reply, OperationError> {
    let cannot = |error: io::Error| failed("unpack into", path, &error);
    fs::create_dir_all(path).map_err(cannot)?;
    let top = fs::canonicalize(path).map_err(cannot)?;
    let unpacked = entries(&top, &mut incoming);
    if incoming.is_cut() {
        return Err(cut_off());
    }
    unpacked?;
    stat(path).map(Reply::File)
}

fn entries(top: &Path, incoming: &mut Incoming) -> Result<(), OperationError> {
    let bad = |error: io::Error| {
        let why = format!("the data are no tar archive: {error}");
        refused(FailureKind::BadData, top, &why)
    };
    let mut archive = Archive::new(Counted { incoming, bytes: 0 });
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let name = entry.path().map_err(bad)?.into_owned();
        let name = within(&name)
            .ok_or_else(|| refused(FailureKind::BadData, &name, "it leads out of the folder"))?;
        if name.as_os_str().is_empty() {
            continue;
        }
        place(top, &name, &mut entry)?;
    }
    let mut rest = archive.into_inner();
    if rest.bytes == 0 && rest.read(&mut [0]).map_err(bad)? == 0 {
        return Err(bad(io::ErrorKind::UnexpectedEof.into()));
    }
    // What follows the archive's end mark is padding; the host is heard to its end.
    io::copy(&mut rest, &mut io::sink()).map_err(bad)?;
    Ok(())
}

/// Names without `.`; `None` for those with `..` or from the root on.
fn within(name: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(inside)
}

fn place<R: Read>(top: &Path, name: &Path, entry: &mut Entry<'_, R>) -> Result<(), OperationError> {
    let path = top.join(name);
    let cannot = |error: io::Error| failed("unpack", &path, &error);
    let folder = path.parent().unwrap_or(top);
    fs::create_dir_all(folder).map_err(cannot)?;
    // A link that the archive, or somebody before, has put on the way must not lead out.
    let real = fs::canonicalize(folder).map_err(cannot)?;
    if !real.starts_with(top) {
        return Err(refused(
            FailureKind::BadData,
            &path,
            "a link on the way leads out of the folder",
        ));
    }
    let header = entry.header();
    let id = |id: io::Result<u64>| id.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    // Fields that some writers leave empty.
    let attributes = Attributes {
        mode: header.mode().unwrap_or(0o644) & 0o7777,
        uid: id(header.uid()),
        gid: id(header.gid()),
        modified: header.mtime().unwrap_or(0),
    };
    match header.entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            file(&path, &attributes, entry)
        }
        EntryType::Directory => directory(&path, &attributes),
        EntryType::Symlink => link_name(entry)
            .and_then(|target| clear(&path).and_then(|()| symlink(target, &path)))
            .and_then(|()| {
                std::os::unix::fs::lchown(&path, Some(attributes.uid), Some(attributes.gid))
            }),
        EntryType::Link => hard_link(top, &path, entry),
        EntryType::Fifo => special(&path, SFlag::S_IFIFO, &attributes, 0),
        EntryType::Char => {
            device(header).and_then(|device| special(&path, SFlag::S_IFCHR, &attributes, device))
        }
        EntryType::Block => {
            device(header).and_then(|device| special(&path, SFlag::S_IFBLK, &attributes, device))
        }
        // Headers that describe others, and kinds of other systems.
        _ => Ok(()),
    }
    .map_err(cannot)
}

struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: u64,
}

fn file<R: Read>(path: &Path, attributes: &Attributes, entry: &mut Entry<'_, R>) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut replacement = Replacement::beside(path)?;
    // An archive that ends too early is not told by its reader.
    if io::copy(entry, replacement.file())? != entry.size() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let file = replacement.file();
    fchown(&*file, Some(attributes.uid), Some(attributes.gid))?;
    if let Some(modified) = UNIX_EPOCH.checked_add(Duration::from_secs(attributes.modified)) {
        file.set_modified(modified)?;
    }
    replacement.put(path, attributes.mode)
}

fn directory(path: &Path, attributes: &Attributes) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
        fs::create_dir(path)?;
    }
    chown(path, Some(attributes.uid), Some(attributes.gid))?;
    fs::set_permissions(path, fs::Permissions::from_mode(attributes.mode))
}

fn hard_link<R: Read>(top: &Path, path: &Path, entry: &Entry<'_, R>) -> io::Result<()> {
    let target = link_name(entry)?;
    let target = within(&target).ok_or(io::ErrorKind::InvalidData)?;
    let target = top.join(target);
    // The folder that it lies in must be within, too.
    let folder = fs::canonicalize(target.parent().unwrap_or(top))?;
    if !folder.starts_with(top) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    clear(path)?;
    fs::hard_link(target, path)
}

fn special(path: &Path, kind: SFlag, attributes: &Attributes, device: u64) -> io::Result<()> {
    clear(path)?;
    mknod(
        path,
        kind,
        Mode::from_bits_truncate(attributes.mode),
        device,
    )?;
    nix::unistd::chown(
        path,
        Some(Uid::from_raw(attributes.uid)),
        Some(Gid::from_raw(attributes.gid)),
    )?;
    Ok(())
}

fn device(header: &tar::Header) -> io::Result<u64> {
    let major = header.device_major()?.unwrap_or(0);
    let minor = header.device_minor()?.unwrap_or(0);
    Ok(makedev(major.into(), minor.into()))
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    let name = entry.link_name()?;
    Ok(name.ok_or(io::ErrorKind::InvalidData)?.into_owned())
}

/// Makes room for something that replaces a file or link; a folder stays.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Counts what has been read.
struct Counted<'a> {
    incoming: &'a mut Incoming,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.incoming.read(buffer)?;
        self.bytes += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_archive_stay_within_its_folder() {
        assert_eq!(within(Path::new("./a//b/")), Some("a/b".into()));
        assert_eq!(within(Path::new(".")), Some("".into()));
        assert_eq!(within(Path::new("a/../b")), None);
        assert_eq!(within(Path::new("/etc/passwd")), None);
    }
}
