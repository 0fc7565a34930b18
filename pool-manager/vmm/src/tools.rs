//! The programs that this crate runs, and where Debian and Ubuntu keep them.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A program that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTool {
    /// Its name.
    pub tool: &'static str,
    /// The package that brings it.
    pub package: &'static str,
    /// What can't be done without it.
    pub needed_for: &'static str,
}

const TOOLS: [MissingTool; 2] = [
    MissingTool {
        tool: "qemu-system-x86_64",
        package: "qemu-system-x86",
        needed_for: "running VMs",
    },
    MissingTool {
        tool: "mke2fs",
        package: "e2fsprogs",
        needed_for: "scratch disks",
    },
];

/// Lists what is missing of the programs that VMs need.
pub fn check_tools() -> Vec<MissingTool> {
    TOOLS
        .into_iter()
        .filter(|tool| find(tool.tool).is_none())
        .collect()
}

/// Finds a program as a shell of root would.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
}
