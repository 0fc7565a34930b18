//! What an `add` is doing right now.

use serde::Serialize;
use tokio::sync::watch;

/// The work under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Progress {
    /// Waiting until fewer images are being made.
    Queued,
    /// Asking where the image is and what it consists of.
    Resolving {
        /// The source, for people.
        source: String,
    },
    /// Fetching from a registry or from the Docker daemon.
    Pulling {
        /// Which layer, from 1.
        layer: usize,
        /// Of how many.
        layers: usize,
        /// Bytes that have arrived.
        bytes_done: u64,
        /// Bytes in all, where known.
        bytes_total: Option<u64>,
    },
    /// Reading a layer.
    Unpacking {
        /// Which layer, from 1.
        layer: usize,
        /// Of how many.
        layers: usize,
    },
    /// The package installer's last words.
    InstallingPackages {
        /// One line of its output.
        line: String,
    },
    /// The Dockerfile build's last words.
    Building {
        /// One line of its output.
        line: String,
    },
    /// Writing the root filesystem.
    WritingRoot {
        /// Bytes written.
        bytes_done: u64,
        /// Bytes in all.
        bytes_total: u64,
    },
    /// Hashing and storing.
    Storing,
    /// The image is there, and whoever wanted it makes something of it.
    Using {
        /// What, for people: such as `booting the image`.
        step: &'static str,
    },
}

/// Where progress goes. It keeps the newest report only, so a slow reader misses reports and never slows the work.
#[derive(Debug, Clone)]
pub struct ProgressSink(Option<watch::Sender<Progress>>);

impl ProgressSink {
    /// A sink and the end to read from; its first value is [`Progress::Queued`].
    pub fn channel() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::Queued);
        (Self(Some(sender)), receiver)
    }

    /// A sink that nobody reads.
    pub fn none() -> Self {
        Self(None)
    }

    /// Tells what is done from now on.
    pub fn report(&self, progress: Progress) {
        if let Some(sender) = &self.0 {
            sender.send_replace(progress);
        }
    }
}
