//! Why a builder did not do its work.

use std::io;
use std::process::ExitStatus;

/// A builder that could not be started, or that failed.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// The program is not installed.
    #[error("{tool} is not installed; mend it with: apt-get install {package}")]
    NotInstalled {
        /// The program.
        tool: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// The program could not be started.
    #[error("starting {tool}")]
    Start {
        /// The program.
        tool: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Talking to it failed.
    #[error("feeding {tool}")]
    Feed {
        /// The program.
        tool: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{tool} failed ({status}):\n{output}")]
    Failed {
        /// The program.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
    /// It failed and there is no room left where it wrote.
    #[error("{tool} failed ({status}): there is no space left on the disk\n{output}")]
    DiskFull {
        /// The program.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
}
