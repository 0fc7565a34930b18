//! Which programs are missing, for `doctor`.

use std::path::Path;

use serde::Serialize;

use crate::builders::{mmdebstrap, sqfstar};

/// A program that is not installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingTool {
    /// The program.
    pub tool: &'static str,
    /// Debian's package that has it.
    pub package: &'static str,
    /// What cannot be done without it.
    pub needed_for: &'static str,
    /// The command that mends it.
    pub mend: String,
}

/// The programs that making images needs and that are not in `PATH`.
pub fn check_tools() -> Vec<MissingTool> {
    let wanted = [
        (
            sqfstar::TOOL,
            sqfstar::PACKAGE,
            "every image that is not an ext4 file",
        ),
        (
            mmdebstrap::TOOL,
            mmdebstrap::PACKAGE,
            "images of Debian packages, such as python",
        ),
    ];
    let missing = wanted.into_iter().filter(|(tool, ..)| !installed(tool));
    let described = missing.map(|(tool, package, needed_for)| MissingTool {
        tool,
        package,
        needed_for,
        mend: format!("apt-get install {package}"),
    });
    described.collect()
}

/// Whether the program is in `PATH`.
pub(super) fn installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| executable(&folder.join(tool)))
}

fn executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_name_and_only_when_it_is_there() {
        assert!(installed("sh"));
        assert!(!installed("thaw-has-no-such-program"));
    }
}
