//! From a moment to a folder, and back.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use thaw_lazymem::{Delta, DeltaError};
use thaw_vmm::{DiskMoment, MachineSnapshot};

use super::{
    manifest::{BadSnapshot, Manifest},
    moment::Moment,
};
use crate::template::{scratch_sha256, sha256};

/// A VMM's device state is about 64 KB; more than this is not believed.
const MAX_STATE_BYTES: u64 = 64 << 20;

const STATE: &str = "state.bin";
const DELTA: &str = "delta.bin";
const SCRATCH: &str = "scratch.img";

/// What the files of a moment are checked by.
pub(super) struct Checksums {
    pub(super) scratch_sha256: String,
    pub(super) state_sha256: String,
}

/// Writes a moment into an empty folder, and syncs what is large. Blocks.
///
/// # Errors
/// When the disk is full, or fails.
pub(super) fn write(moment: &Moment, folder: &Path) -> io::Result<Checksums> {
    let state = &moment.machine.device_state;
    fs::write(folder.join(STATE), state)?;
    let create = |name: &str| {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join(name))
    };
    let delta = create(DELTA)?;
    moment
        .machine
        .delta
        .write(&delta)
        .map_err(|error| match error {
            DeltaError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
    let scratch = create(SCRATCH)?;
    scratch.set_len(moment.disk.len_bytes())?;
    moment.disk.write_to(&scratch)?;
    delta.sync_data()?;
    scratch.sync_data()?;
    Ok(Checksums {
        scratch_sha256: scratch_sha256(&scratch, moment.disk.len_bytes())?,
        state_sha256: sha256(state),
    })
}

/// Reads and checks all of a snapshot. Blocks.
///
/// # Errors
/// What is wrong with it, by name.
pub(super) fn read(folder: &Path, manifest: &Manifest) -> Result<Moment, BadSnapshot> {
    let id = &manifest.id;
    let bad = |what: &str, error: &dyn std::error::Error| BadSnapshot::because(id, what, error);
    let device_state = read_state(&folder.join(STATE))
        .map_err(|error| bad("its device state can't be read", &error))?;
    if sha256(&device_state) != manifest.state_sha256 {
        return Err(BadSnapshot::new(id, "its device state fails its checksum"));
    }
    let delta =
        File::open(folder.join(DELTA)).map_err(|error| bad("its memory can't be read", &error))?;
    let delta = Delta::read(&delta).map_err(|error| bad("its memory can't be used", &error))?;
    let scratch =
        File::open(folder.join(SCRATCH)).map_err(|error| bad("its disk can't be read", &error))?;
    let found = scratch_sha256(&scratch, manifest.scratch_bytes)
        .map_err(|error| bad("its disk can't be read", &error))?;
    if found != manifest.scratch_sha256 {
        return Err(BadSnapshot::new(id, "its disk fails its checksum"));
    }
    Ok(Moment {
        machine: MachineSnapshot {
            device_state,
            delta: Arc::new(delta),
            handover: manifest.handover.clone(),
        },
        disk: DiskMoment::of_file(scratch, manifest.scratch_bytes),
        _room: None,
    })
}

fn read_state(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_STATE_BYTES {
        return Err(io::Error::other("it is larger than a device state can be"));
    }
    let mut state = Vec::new();
    file.take(MAX_STATE_BYTES).read_to_end(&mut state)?;
    Ok(state.into())
}
