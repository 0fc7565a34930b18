//! The working set of a template, and whether it still fits: `working-set.json` in its folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use thaw_lazymem::WorkingSet;

use super::history::{History, RestoreFaults, replace};
use crate::template::sha256;

/// The version of the file's format.
const FORMAT_VERSION: u32 = 1;

/// The largest file that is read: a million ranges.
const MAX_BYTES: u64 = 32 << 20;

const SET: &str = "working-set.json";
const HISTORY: &str = "restores.json";

/// What is known of the pages that restores of one template touch. The only writer of both files.
#[derive(Debug)]
pub(crate) struct WorkingSets {
    folder: PathBuf,
    known: Mutex<Known>,
    recording: AtomicBool,
}

#[derive(Debug)]
struct Known {
    set: Option<Arc<WorkingSet>>,
    history: History,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// Of the set as it is written here.
    sha256: String,
    set: WorkingSet,
}

/// The right to record a template's working set anew; nobody else has it meanwhile.
#[derive(Debug)]
pub(crate) struct Recordings<'a>(&'a AtomicBool);

impl WorkingSets {
    /// Reads what is there. A set that can't be used costs faults and no more: it is told and forgotten.
    pub(crate) fn open(folder: &Path) -> Self {
        let set = match read(&folder.join(SET)) {
            Ok(set) => Some(Arc::new(set)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "a working set can't be used and will be recorded anew");
                None
            }
        };
        Self {
            folder: folder.to_owned(),
            known: Mutex::new(Known {
                set,
                history: History::read(&folder.join(HISTORY)),
            }),
            recording: AtomicBool::new(false),
        }
    }

    /// The set as it is now.
    pub(crate) fn current(&self) -> Option<Arc<WorkingSet>> {
        self.lock().set.clone()
    }

    /// The last restores that were served, the newest last.
    pub(crate) fn last_restores(&self) -> Vec<RestoreFaults> {
        self.lock().history.last()
    }

    /// Takes down what a restore cost; true when the set should be recorded anew. Blocks.
    pub(crate) fn restored(&self, restore: RestoreFaults) -> bool {
        let mut known = self.lock();
        let stale = known.history.add(restore);
        if let Err(error) = known.history.write(&self.folder.join(HISTORY)) {
            // The template may have been removed.
            tracing::debug!(%error, "a template's history of restores could not be written");
        }
        stale
    }

    /// Takes the right to record; none while somebody has it.
    pub(crate) fn begin_recording(&self) -> Option<Recordings<'_>> {
        let taken = self.recording.swap(true, Ordering::AcqRel);
        (!taken).then_some(Recordings(&self.recording))
    }

    /// Keeps what every one of the recordings has. Blocks.
    pub(crate) fn keep(&self, recordings: &[WorkingSet]) -> io::Result<Arc<WorkingSet>> {
        let set = Arc::new(WorkingSet::common(recordings));
        write(&self.folder, &set)?;
        self.lock().set = Some(Arc::clone(&set));
        Ok(set)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic between two updates leaves at worst a restore uncounted.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recordings<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn write(folder: &Path, set: &WorkingSet) -> io::Result<()> {
    let stored = Stored {
        version: FORMAT_VERSION,
        sha256: checksum(set)?,
        set: set.clone(),
    };
    replace(&folder.join(SET), &serde_json::to_vec(&stored)?)
}

fn read(path: &Path) -> io::Result<WorkingSet> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than a working set can be"));
    }
    let stored: Stored = serde_json::from_slice(&fs::read(path)?)?;
    if stored.version != FORMAT_VERSION {
        return Err(io::Error::other(format!(
            "it has format version {}, and this Thaw reads {FORMAT_VERSION}",
            stored.version
        )));
    }
    if checksum(&stored.set)? != stored.sha256 {
        return Err(io::Error::other("it fails its checksum"));
    }
    Ok(stored.set)
}

fn checksum(set: &WorkingSet) -> io::Result<String> {
    Ok(sha256(&serde_json::to_vec(set)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_recordings_have_is_kept_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let sets = WorkingSets::open(folder.path());
        assert!(sets.current().is_none());
        let recordings = [[7, 8, 3], [3, 9, 7]].map(WorkingSet::from_pages);
        sets.keep(&recordings).unwrap();
        let kept = WorkingSets::open(folder.path()).current().unwrap();
        assert_eq!(*kept, WorkingSet::from_pages([7, 3]));
        assert_eq!(sets.current(), Some(kept));
    }

    #[test]
    fn a_set_that_is_damaged_or_of_another_version_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let sets = WorkingSets::open(folder.path());
        sets.keep(&[WorkingSet::from_pages([7, 8])]).unwrap();
        let path = folder.path().join(SET);
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("[7,2]", "[9,2]"),
            (r#"{"version":1,"sha"#, r#"{"version":2,"sha"#),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            fs::write(&path, changed).unwrap();
            assert!(WorkingSets::open(folder.path()).current().is_none(), "{to}");
        }
    }

    #[test]
    fn the_stored_format_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &WorkingSet::from_pages([7, 8, 3])).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join(SET)).unwrap(),
            r#"{"version":1,"sha256":"50eb3da864296429e2477efc36293930d427abcde0acfc0eac5bd53614d1d947","set":{"version":1,"pages":[[7,2],[3,1]]}}"#
        );
    }

    #[test]
    fn a_working_set_is_recorded_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let sets = WorkingSets::open(folder.path());
        let recording = sets.begin_recording().unwrap();
        assert!(sets.begin_recording().is_none());
        drop(recording);
        assert!(sets.begin_recording().is_some());
    }
}
