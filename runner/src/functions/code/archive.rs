//! Reads the archives that people send.

use std::io::{self, Cursor, Read, Write};

use super::{CodeError, CodeLimits, entries::Entries};

/// The longest target of a link in a zip, where it is a file's content.
const MAX_TARGET_BYTES: u64 = 4096;

/// Reads an archive; its files' content goes to `spool`, one after the other.
///
/// # Errors
/// See [`CodeError`].
pub(super) fn read(
    archive: &[u8],
    limits: CodeLimits,
    spool: &mut impl Write,
) -> Result<Entries, CodeError> {
    if archive.len() as u64 > limits.packed_bytes {
        return Err(CodeError::TooLarge {
            limit: limits.packed_bytes,
        });
    }
    if archive.starts_with(b"PK\x03\x04") || archive.starts_with(b"PK\x05\x06") {
        return read_zip(archive, limits, spool);
    }
    if archive.starts_with(&[0x1f, 0x8b]) {
        // Headers and padding of a tar are not files, but no archive needs more of them than of files.
        let most = limits
            .unpacked_bytes
            .saturating_mul(2)
            .saturating_add(64 << 20);
        let bytes = flate2::read::MultiGzDecoder::new(archive).take(most);
        return read_tar(bytes, "tar.gz", limits, spool);
    }
    // POSIX puts its magic at 257 of the first header.
    if archive.get(257..262) == Some(b"ustar") {
        return read_tar(archive, "tar", limits, spool);
    }
    Err(CodeError::UnknownFormat)
}

fn read_zip(
    archive: &[u8],
    limits: CodeLimits,
    spool: &mut impl Write,
) -> Result<Entries, CodeError> {
    let damaged = |error: &dyn std::fmt::Display| CodeError::Damaged {
        format: "zip",
        reason: error.to_string(),
    };
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).map_err(|error| damaged(&error))?;
    if zip.len() > limits.entries {
        return Err(CodeError::TooMany {
            limit: limits.entries,
        });
    }
    let mut entries = Entries::new(limits);
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).map_err(|error| damaged(&error))?;
        let name = std::str::from_utf8(file.name_raw())
            .map_err(|error| damaged(&format!("a name is not UTF-8: {error}")))?
            .to_owned();
        // Upper 16 bits of the external attributes: st_mode, where the archive was made on Unix.
        let mode = file.unix_mode().unwrap_or(0o644);
        match mode & 0o170_000 {
            _ if name.ends_with('/') => entries.folder(&name)?,
            0o120_000 => {
                let mut target = String::new();
                file.by_ref()
                    .take(MAX_TARGET_BYTES)
                    .read_to_string(&mut target)
                    .map_err(|error| damaged(&error))?;
                entries.link(&name, &target)?;
            }
            0 | 0o100_000 => {
                entries.file(&name, mode & 0o111 != 0, "zip", &mut file, spool)?;
            }
            _ => return Err(CodeError::BadKind { path: name }),
        }
    }
    Ok(entries)
}

fn read_tar(
    archive: impl Read,
    format: &'static str,
    limits: CodeLimits,
    spool: &mut impl Write,
) -> Result<Entries, CodeError> {
    let damaged = |error: io::Error| CodeError::Damaged {
        format,
        reason: error.to_string(),
    };
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|error| damaged(io::Error::other(format!("a name is not UTF-8: {error}"))))
    };
    let mut entries = Entries::new(limits);
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = text(&entry.path_bytes())?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => entries.folder(&path)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let mode = entry.header().mode().map_err(damaged)?;
                entries.file(&path, mode & 0o111 != 0, format, &mut entry, spool)?;
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name_bytes();
                let target = text(target.as_deref().unwrap_or_default())?;
                entries.link(&path, &target)?;
            }
            // Headers that describe the archive, or the next entry, which is described already.
            tar::EntryType::XGlobalHeader | tar::EntryType::XHeader => {}
            _ => return Err(CodeError::BadKind { path }),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    const LIMITS: CodeLimits = CodeLimits {
        packed_bytes: 1 << 20,
        unpacked_bytes: 1 << 20,
        entries: 10,
    };

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755))
                .unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn tarred(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            // Written as they are: the crate itself would refuse what these tests are about.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            if kind.is_file() {
                header.set_size(content.len() as u64);
                header.set_cksum();
                tar.append(&header, content.as_bytes()).unwrap();
            } else {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
                header.set_size(0);
                header.set_cksum();
                tar.append(&header, io::empty()).unwrap();
            }
        }
        tar.into_inner().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn normal(archive: &[u8]) -> Result<Vec<u8>, CodeError> {
        let mut spool = Vec::new();
        let entries = read(archive, LIMITS, &mut spool)?;
        let mut tar = Vec::new();
        entries.write(&mut tar, |offset, length| {
            let offset = offset as usize;
            Ok(Cursor::new(
                spool[offset..offset + length as usize].to_vec(),
            ))
        })?;
        Ok(tar)
    }

    #[test]
    fn the_same_files_make_the_same_tar_whatever_they_came_in() {
        let file = tar::EntryType::Regular;
        let tar = tarred(&[("b.py", file, "2"), ("./a/c.py", file, "1")]);
        let again = tarred(&[("a/c.py", file, "1"), ("b.py", file, "2")]);
        let plain = normal(&tar).unwrap();
        assert_eq!(plain, normal(&again).unwrap());
        assert_eq!(plain, normal(&gzipped(&tar)).unwrap());
        let zip = zipped(&[("a/c.py", b"1"), ("b.py", b"2")]);
        // Those of this zip are executable.
        assert_ne!(plain, normal(&zip).unwrap());
    }

    #[test]
    fn paths_and_links_that_lead_out_are_refused_by_name() {
        for path in ["../evil", "/etc/passwd", "a/../../b"] {
            let refused = normal(&zipped(&[(path, b"x")])).unwrap_err();
            assert!(matches!(&refused, CodeError::BadPath { .. }), "{refused:?}");
            let refused = normal(&tarred(&[(path, tar::EntryType::Regular, "x")])).unwrap_err();
            assert!(refused.to_string().contains(path), "{refused}");
        }
        let link = tar::EntryType::Symlink;
        for target in ["/etc", "../.."] {
            let refused = normal(&tarred(&[("a", link, target)])).unwrap_err();
            assert!(matches!(refused, CodeError::BadPath { .. }));
        }
        let file = tar::EntryType::Regular;
        let below = tarred(&[("a", link, "b"), ("a/c", file, "x")]);
        assert!(matches!(normal(&below), Err(CodeError::BadPath { .. })));
        let device = tarred(&[("a", tar::EntryType::Char, "")]);
        assert!(matches!(normal(&device), Err(CodeError::BadKind { .. })));
        let hard = tarred(&[("a", tar::EntryType::Link, "/etc/passwd")]);
        assert!(matches!(normal(&hard), Err(CodeError::BadKind { .. })));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit_whatever_it_says_of_itself() {
        let zeroes = vec![0; (LIMITS.unpacked_bytes + 1) as usize];
        let zip = zipped(&[("a", &zeroes)]);
        assert!(zip.len() < 10_000);
        assert!(matches!(normal(&zip), Err(CodeError::Bomb { .. })));
        let text = String::from_utf8(zeroes.clone()).unwrap();
        let tar = gzipped(&tarred(&[("a", tar::EntryType::Regular, &text)]));
        assert!(matches!(normal(&tar), Err(CodeError::Bomb { .. })));
        // Files that share the same bytes of a zip count each time.
        let half = vec![0; (LIMITS.unpacked_bytes / 2) as usize];
        let zip = zipped(&[("a", &half), ("b", &half), ("c", b"x")]);
        assert!(matches!(normal(&zip), Err(CodeError::Bomb { .. })));
    }

    #[test]
    fn what_is_no_sound_archive_is_refused() {
        assert!(matches!(normal(b"hello"), Err(CodeError::UnknownFormat)));
        assert!(matches!(normal(b""), Err(CodeError::UnknownFormat)));
        let zip = zipped(&[("a", b"x")]);
        assert!(matches!(
            normal(&zip[..zip.len() - 10]),
            Err(CodeError::Damaged { format: "zip", .. })
        ));
        let gzip = gzipped(&tarred(&[("a", tar::EntryType::Regular, "x")]));
        assert!(matches!(
            normal(&gzip[..gzip.len() / 2]),
            Err(CodeError::Damaged { .. })
        ));
        assert!(matches!(normal(&zipped(&[])), Err(CodeError::Empty)));
        let many: Vec<_> = (0..11).map(|i| format!("f{i}")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|n| (n.as_str(), &b""[..])).collect();
        assert!(matches!(
            normal(&zipped(&many)),
            Err(CodeError::TooMany { limit: 10 })
        ));
        let large = vec![0; (LIMITS.packed_bytes + 1) as usize];
        assert!(matches!(normal(&large), Err(CodeError::TooLarge { .. })));
    }
}
