//! How functions are set up.

use std::path::PathBuf;

use super::FunctionsLimits;

/// Where functions are kept, and their bounds.
#[derive(Debug, Clone)]
pub struct FunctionsConfig {
    /// The folder of their code; made where it is missing. Nobody else writes it.
    pub folder: PathBuf,
    /// The bounds.
    pub limits: FunctionsLimits,
}
