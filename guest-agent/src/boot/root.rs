//! The root file system: the image below, the scratch disk above, and the switch to it.

use std::{
    env::set_current_dir,
    fs::{self, File},
    path::Path,
};

use nix::{mount::MsFlags, unistd::chroot};
use thaw_guest_protocol::{ROOT_DEVICE, SCRATCH_DEVICE};

use super::{
    BootError,
    cmdline::RootKind,
    mounts::{carry_over, folder, mount_at},
};
use crate::disk::sysfs;

const IMAGE: &str = "/image";
const SCRATCH: &str = "/scratch";
const NEW_ROOT: &str = "/root";

/// No inode index and no metadata-only copies: both exist for NFS exports and for hosts that share
/// upper layers, and both cost extended attributes on every copy-up. Whole folders of the image may
/// be renamed, as on any other file system (`redirect_dir`).
const OVERLAY: &str = "lowerdir=/image,upperdir=/scratch/upper,workdir=/scratch/work,\
     index=off,metacopy=off,xino=off,redirect_dir=on";

/// Nothing that the kernel would do later, in every clone anew: no reading ahead of block bitmaps, and
/// (`MS_LAZYTIME`) no journal entry for a time stamp alone.
const SCRATCH_OPTIONS: &str = "discard,no_prefetch_block_bitmaps";

/// What the scratch disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Nothing was written to it yet.
    Fresh,
    /// A machine has lived on it before.
    Used,
}

/// A disk of the host has its own queue there: ordering requests a second time, or holding some back, is work
/// for nothing. An old kernel that lacks a setting is as good without it.
fn leave_order_to_the_host() {
    for device in [ROOT_DEVICE, SCRATCH_DEVICE] {
        let queue = sysfs(device) + "/queue";
        let _ = fs::write(format!("{queue}/scheduler"), "none");
        let _ = fs::write(format!("{queue}/wbt_lat_usec"), "0");
    }
}

/// Mounts both disks and joins them. Returns what the scratch disk was, and its folder.
///
/// # Errors
/// [`BootError`].
pub(super) fn assemble(kind: RootKind) -> Result<(Disk, File), BootError> {
    for path in [IMAGE, SCRATCH, NEW_ROOT] {
        folder(path).map_err(BootError::system("make a mount point"))?;
    }
    leave_order_to_the_host();
    // `noload`: the disk is shared and can't be written, so its journal, which is empty, is not looked at.
    let (kind, options) = match kind {
        RootKind::Squashfs => ("squashfs", ""),
        RootKind::Ext4 => ("ext4", "noload,no_prefetch_block_bitmaps"),
    };
    let read_only = MsFlags::MS_RDONLY | MsFlags::MS_NOATIME;
    mount_at(Some(ROOT_DEVICE), IMAGE, Some(kind), read_only, options)?;
    let scratch = Some(SCRATCH_DEVICE);
    let lazy = MsFlags::MS_NOATIME | MsFlags::MS_LAZYTIME;
    mount_at(scratch, SCRATCH, Some("ext4"), lazy, SCRATCH_OPTIONS)?;
    let disk = if Path::new("/scratch/upper").exists() {
        Disk::Used
    } else {
        Disk::Fresh
    };
    for layer in ["/scratch/upper", "/scratch/work"] {
        folder(layer).map_err(BootError::system("make the layers of the scratch disk"))?;
    }
    let overlay = Some("overlay");
    mount_at(overlay, NEW_ROOT, overlay, MsFlags::MS_NOATIME, OVERLAY)?;
    let scratch = File::open(SCRATCH).map_err(BootError::system("open the scratch disk"))?;
    Ok((disk, scratch))
}

/// Makes it the root and frees the initramfs.
///
/// # Errors
/// [`BootError`].
pub(super) fn switch() -> Result<(), BootError> {
    for mounted in ["/dev", "/proc", "/sys"] {
        carry_over(mounted, NEW_ROOT)?;
    }
    // Its memory would be part of every clone.
    fs::remove_dir_all("/modules").map_err(BootError::system("free the initramfs"))?;
    fs::remove_file("/init").map_err(BootError::system("free the initramfs"))?;
    set_current_dir(NEW_ROOT).map_err(BootError::system("enter the new root"))?;
    mount_at(Some("."), "/", None, MsFlags::MS_MOVE, "")?;
    chroot(".").map_err(BootError::system("change the root"))?;
    set_current_dir("/").map_err(BootError::system("enter the new root"))
}
