//! Where code lies: one tar for each digest.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};
use thaw_pool_manager::CodeStream;

use super::{CodeError, CodeLimits, archive};

/// A tar ends with two blocks of zeroes.
const EMPTY_TAR: [u8; 1024] = [0; 1024];

/// The folder of code. Only this writes it.
#[derive(Debug, Clone)]
pub(crate) struct CodeStore {
    folder: PathBuf,
    limits: CodeLimits,
    holds: Holds,
}

/// How many deploys hold code, by its digest. Locked while code comes or goes.
#[derive(Debug, Clone, Default)]
struct Holds(Arc<Mutex<BTreeMap<String, usize>>>);

/// Code that was added. It is not removed while this lives, so that a deploy can count on it until a version
/// uses it, whoever removes another version with the same code meanwhile.
#[derive(Debug)]
pub(crate) struct HeldCode {
    /// SHA-256 of the tar, in hex.
    pub(crate) digest: String,
    /// The tar's size.
    pub(crate) bytes: u64,
    holds: Holds,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // Every update is one call, so a panic elsewhere can't have left it half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldCode {
    fn drop(&mut self) {
        let mut holds = self.holds.lock();
        if let Some(count) = holds.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.digest);
            }
        }
    }
}

impl CodeStore {
    /// Opens the folder, makes it (0700) where it is missing, and removes what a killed daemon left half-written.
    pub(crate) fn open(folder: &Path, limits: CodeLimits) -> Result<Self, CodeError> {
        let opened = || CodeError::io("open the folder of");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(opened())?;
        for entry in fs::read_dir(folder).map_err(opened())? {
            let path = entry.map_err(opened())?.path();
            if path.extension().is_none_or(|extension| extension != "tar") {
                fs::remove_file(path).map_err(opened())?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            holds: Holds::default(),
        })
    }

    /// Checks an archive and keeps its files; without one, keeps none. Blocks.
    ///
    /// # Errors
    /// See [`CodeError`]; nothing is kept then.
    pub(crate) fn add(&self, archive: Option<&[u8]>) -> Result<HeldCode, CodeError> {
        let failed = || CodeError::io("write");
        let mut staged = tempfile::Builder::new()
            .prefix(".staging-")
            .tempfile_in(&self.folder)
            .map_err(failed())?;
        match archive {
            Some(archive) => self.unpack(archive, staged.as_file())?,
            None => staged.write_all(&EMPTY_TAR).map_err(failed())?,
        }
        let (digest, bytes) = digest(staged.as_file_mut()).map_err(failed())?;
        staged.as_file().sync_all().map_err(failed())?;
        let mut holds = self.holds.lock();
        staged
            .persist(self.path(&digest))
            .map_err(|error| failed()(error.error))?;
        *holds.entry(digest.clone()).or_default() += 1;
        drop(holds);
        let held = HeldCode {
            digest,
            bytes,
            holds: self.holds.clone(),
        };
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed())?;
        Ok(held)
    }

    fn unpack(&self, archive: &[u8], tar: &File) -> Result<(), CodeError> {
        let failed = || CodeError::io("write");
        let mut spool = BufWriter::new(tempfile::tempfile_in(&self.folder).map_err(failed())?);
        let entries = archive::read(archive, self.limits, &mut spool)?;
        let spool = spool
            .into_inner()
            .map_err(|error| failed()(error.into_error()))?;
        entries.write(BufWriter::new(tar), |offset, length| {
            Ok(Piece {
                file: &spool,
                offset,
            }
            .take(length))
        })
    }

    /// The tar with this digest.
    ///
    /// # Errors
    /// [`CodeError::Io`], when it is not there.
    pub(crate) async fn read(&self, digest: &str) -> Result<CodeStream, CodeError> {
        let file = tokio::fs::File::open(self.path(digest)).await;
        Ok(CodeStream(Box::pin(file.map_err(CodeError::io("read"))?)))
    }

    /// Removes code, unless it is held or, asked at a moment when nobody can begin to use it, used; code that
    /// is not there is no error.
    pub(crate) fn remove_unused(
        &self,
        digest: &str,
        is_used: impl FnOnce() -> bool,
    ) -> Result<(), CodeError> {
        let holds = self.holds.lock();
        if holds.contains_key(digest) || is_used() {
            return Ok(());
        }
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CodeError::io("remove")(error))
            }
            _ => Ok(()),
        }
    }

    /// The digests that are kept.
    pub(crate) fn list(&self) -> Result<Vec<String>, CodeError> {
        let failed = || CodeError::io("list");
        let mut digests = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name().into_string();
            digests.extend(
                name.ok()
                    .and_then(|name| name.strip_suffix(".tar").map(str::to_owned)),
            );
        }
        Ok(digests)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.tar"))
    }
}

/// The spool from an offset on.
struct Piece<'a> {
    file: &'a File,
    offset: u64,
}

impl io::Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn digest(file: &mut File) -> io::Result<(String, u64)> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex::encode(hash.finalize()), bytes));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn archive(text: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "app.py", text.as_bytes())
            .unwrap();
        tar.into_inner().unwrap()
    }

    #[tokio::test]
    async fn code_is_kept_once_under_its_digest_and_can_be_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = CodeStore::open(folder.path(), CodeLimits::default()).unwrap();
        let code = store.add(Some(&archive("x = 1"))).unwrap();
        let again = store.add(Some(&archive("x = 1"))).unwrap();
        assert_eq!(again.digest, code.digest);
        let other = store.add(Some(&archive("x = 2"))).unwrap();
        assert_ne!(other.digest, code.digest);
        assert_eq!(store.list().unwrap().len(), 2);
        let mut bytes = Vec::new();
        let mut stream = store.read(&code.digest).await.unwrap();
        stream.0.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes.len() as u64, code.bytes);
        let digest = code.digest.clone();
        let remove = |used| store.remove_unused(&digest, || used).unwrap();
        drop(code);
        remove(false);
        assert!(store.read(&digest).await.is_ok(), "held by the second");
        drop(again);
        remove(true);
        assert!(store.read(&digest).await.is_ok(), "used");
        remove(false);
        remove(false);
        assert!(store.read(&digest).await.is_err());
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn what_is_refused_leaves_nothing_and_what_was_half_written_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = CodeStore::open(folder.path(), CodeLimits::default()).unwrap();
        assert!(store.add(Some(b"no archive")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join(".staging-left"), "half").unwrap();
        CodeStore::open(folder.path(), CodeLimits::default()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
