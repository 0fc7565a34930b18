//! Kernel modules, in the order that the host wrote beside them.

use std::{
    fs::{self, File},
    io,
};

use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
};

use super::BootError;

const FOLDER: &str = "/modules";

/// Loads every module that /modules/order names.
///
/// # Errors
/// The first that does not load; one that is there already is no error.
pub(super) fn load() -> Result<(), BootError> {
    let order = fs::read_to_string(format!("{FOLDER}/order"))
        .map_err(BootError::system("read the order of kernel modules"))?;
    for name in order.lines().map(str::trim).filter(|name| !name.is_empty()) {
        load_one(name).map_err(|source| BootError::Module {
            name: name.into(),
            source,
        })?;
    }
    Ok(())
}

fn load_one(name: &str) -> io::Result<()> {
    let file = File::open(format!("{FOLDER}/{name}"))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
