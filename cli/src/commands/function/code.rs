//! A function's code as it is sent.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

/// What never belongs to a function.
const LEFT_OUT: [&str; 4] = [".git", "__pycache__", ".DS_Store", ".thaw"];

/// The archive at a path, or the folder there as one.
///
/// # Errors
/// When it can't be read, or holds what is neither file, folder nor link.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let metadata = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if !metadata.is_dir() {
        return fs::read(path).with_context(|| format!("reading {}", path.display()));
    }
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.follow_symlinks(false);
    append(&mut tar, path, Path::new(""))?;
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    Ok(gzip.finish()?)
}

/// The files at a path: those of a folder, or of an archive.
#[derive(Debug)]
pub(super) enum Files {
    Folder(PathBuf),
    Archive(BTreeSet<String>),
}

impl Files {
    /// # Errors
    /// When an archive can't be read.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let attempt = || format!("looking into {}", path.display());
        if fs::metadata(path).with_context(attempt)?.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        Ok(Self::Archive(names(path).with_context(attempt)?))
    }

    pub(super) fn has(&self, file: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(file).is_file(),
            Self::Archive(names) => names.contains(file),
        }
    }
}

/// What an archive holds. Its first bytes say of which kind it is; the server has the last word.
fn names(path: &Path) -> Result<BTreeSet<String>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    file.rewind()?;
    match magic.as_slice() {
        b"PK" => {
            let zip = zip::ZipArchive::new(file)?;
            let names = zip.file_names();
            names.map(|name| Ok(plain(&name?))).collect()
        }
        [0x1f, 0x8b] => names_in_tar(MultiGzDecoder::new(file)),
        _ => names_in_tar(file),
    }
}

fn names_in_tar(tar: impl Read) -> Result<BTreeSet<String>> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries()?;
    let name = |entry: io::Result<tar::Entry<'_, _>>| {
        Ok(plain(&String::from_utf8_lossy(&entry?.path_bytes())))
    };
    entries.map(name).collect()
}

/// A path without `.` and doubled slashes.
fn plain(path: &str) -> String {
    let names = path.split('/').filter(|name| !["", "."].contains(name));
    names.collect::<Vec<_>>().join("/")
}

fn append(tar: &mut tar::Builder<GzEncoder<Vec<u8>>>, folder: &Path, inside: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (path, inside) = (entry.path(), inside.join(&name));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            append(tar, &path, &inside)?;
        } else if kind.is_file() || kind.is_symlink() {
            tar.append_path_with_name(&path, &inside)
                .with_context(|| format!("reading {}", path.display()))?;
        } else {
            bail!(
                "{} is neither a file, a folder nor a symbolic link",
                path.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    #[test]
    fn files_are_found_in_folders_and_in_every_kind_of_archive() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("pack/app.py", SimpleFileOptions::default())
            .unwrap();
        fs::write(at("code.zip"), zip.finish().unwrap().into_inner()).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        tar.append_data(&mut header, "./pack/app.py", io::empty())
            .unwrap();
        fs::write(at("code.tar"), tar.into_inner().unwrap()).unwrap();
        fs::create_dir_all(at("code/pack")).unwrap();
        fs::write(at("code/pack/app.py"), "").unwrap();
        fs::write(at("code.tar.gz"), read(&at("code")).unwrap()).unwrap();
        for name in ["code", "code.zip", "code.tar", "code.tar.gz"] {
            let files = Files::of(&at(name)).unwrap();
            assert!(files.has("pack/app.py"), "{name}: {files:?}");
            assert!(!files.has("app.py") && !files.has("pack"), "{name}");
        }
        fs::write(at("bad.zip"), "PK\x03\x04 and no more").unwrap();
        let refused = format!("{:#}", Files::of(&at("bad.zip")).unwrap_err());
        assert!(refused.starts_with("looking into "), "{refused}");
    }

    #[test]
    fn a_folder_becomes_an_archive_without_what_never_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("pack/__pycache__")).unwrap();
        fs::write(folder.path().join("pack/__pycache__/x.pyc"), "x").unwrap();
        fs::write(folder.path().join("pack/app.py"), "x = 1").unwrap();
        std::os::unix::fs::symlink("pack", folder.path().join("link")).unwrap();
        let archive = read(folder.path()).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive.as_slice()));
        let paths: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["link", "pack/app.py"]);
    }
}
