//! What can keep a guest from booting.

use std::io;

use nix::errno::Errno;
use thiserror::Error;

/// A boot that did not reach its first connection.
#[derive(Debug, Error)]
pub enum BootError {
    /// The kernel's command line lacks an option, or it has a value that is not known.
    #[error("kernel command line: {option}={value:?} is not one of {known}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What was found.
        value: Option<String>,
        /// What it can be.
        known: &'static str,
    },
    /// A file system could not be mounted.
    #[error("mount {what}")]
    Mount {
        /// Device or kind and place.
        what: String,
        /// What the kernel says.
        #[source]
        source: Errno,
    },
    /// A kernel module could not be loaded.
    #[error("load kernel module {name}")]
    Module {
        /// Its file name.
        name: String,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// Anything else that the kernel refused.
    #[error("{attempt}")]
    System {
        /// What was tried.
        attempt: &'static str,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// No port of the right name appeared.
    #[error("no virtio-serial port named {name}")]
    NoPort {
        /// The name.
        name: &'static str,
    },
}

impl BootError {
    pub(crate) fn system<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            attempt,
            source: source.into(),
        }
    }
}
