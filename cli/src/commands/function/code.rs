//! A function's code as it is sent.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, write::GzEncoder};

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
    use super::*;

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
