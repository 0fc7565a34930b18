//! What the last restores of a template faulted on: `restores.json` in its folder.

use std::{collections::VecDeque, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use thaw_lazymem::Staleness;

/// The version of the file's format.
const FORMAT_VERSION: u32 = 1;

/// The largest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// What one restore that was served cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFaults {
    /// Pages that were mapped in bulk before it ran.
    pub working_set_pages: u64,
    /// Single faults until it needed nobody any more.
    pub faults: u64,
}

/// The last [`Staleness::RESTORES`] restores, the newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    last: VecDeque<RestoreFaults>,
    /// How many of the last ones have not been judged yet.
    unjudged: u32,
    staleness: Staleness,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    unjudged: u32,
    last: VecDeque<RestoreFaults>,
}

impl History {
    /// Reads a template's history; one that can't be read is begun anew, for it is worth no more.
    pub(super) fn read(path: &Path) -> Self {
        match Self::try_read(path) {
            Ok(history) => history,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                tracing::info!(path = %path.display(), %error, "the history of restores begins anew");
                Self::default()
            }
        }
    }

    fn try_read(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.len() > MAX_BYTES {
            return Err(io::Error::other("it is larger than a history can be"));
        }
        let stored: Stored = serde_json::from_slice(&fs::read(path)?)?;
        let most = Staleness::RESTORES as usize;
        let fits = stored.unjudged < Staleness::RESTORES
            && stored.last.len() <= most
            && stored.unjudged as usize <= stored.last.len();
        if stored.version != FORMAT_VERSION || !fits {
            return Err(io::Error::other("it is of another version, or damaged"));
        }
        let mut staleness = Staleness::default();
        let judged = stored.last.len() - stored.unjudged as usize;
        for restore in stored.last.iter().skip(judged) {
            staleness.restored(restore.working_set_pages, restore.faults);
        }
        Ok(Self {
            last: stored.last,
            unjudged: stored.unjudged,
            staleness,
        })
    }

    /// Writes it; synced by nobody, because losing it costs nothing.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let stored = Stored {
            version: FORMAT_VERSION,
            unjudged: self.unjudged,
            last: self.last.clone(),
        };
        replace(path, &serde_json::to_vec(&stored)?)
    }

    /// Adds a restore; true when the working set is to be recorded again.
    pub(super) fn add(&mut self, restore: RestoreFaults) -> bool {
        if self.last.len() >= Staleness::RESTORES as usize {
            self.last.pop_front();
        }
        self.last.push_back(restore);
        self.unjudged = (self.unjudged + 1) % Staleness::RESTORES;
        self.staleness
            .restored(restore.working_set_pages, restore.faults)
    }

    /// The restores, the newest last.
    pub(super) fn last(&self) -> Vec<RestoreFaults> {
        self.last.iter().copied().collect()
    }
}

/// Replaces a file as a whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let file = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(file.path(), bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restore(faults: u64) -> RestoreFaults {
        RestoreFaults {
            working_set_pages: 100,
            faults,
        }
    }

    #[test]
    fn twenty_restores_count_across_starts_of_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("restores.json");
        for number in 1..20 {
            let mut history = History::read(&path);
            assert!(!history.add(restore(90)), "{number}");
            history.write(&path).unwrap();
        }
        let mut history = History::read(&path);
        assert!(history.add(restore(90)));
        assert_eq!(history.last().len(), 20);
        assert!(!history.add(restore(90)), "the count begins anew");
        assert_eq!(history.last().len(), 20);
    }

    #[test]
    fn a_damaged_history_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("restores.json");
        for text in [
            "no json",
            r#"{"version":2,"unjudged":0,"last":[]}"#,
            r#"{"version":1,"unjudged":7,"last":[]}"#,
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(History::read(&path).last(), [], "{text}");
        }
    }
}
