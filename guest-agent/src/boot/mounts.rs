//! The kernel's own file systems, before and after the switch of the root.

use std::{fs, io, path::Path};

use nix::mount::{MsFlags, mount};

use super::BootError;

/// What the initramfs needs to find its modules and disks.
///
/// # Errors
/// [`BootError`].
pub(super) fn early() -> Result<(), BootError> {
    kernel_fs("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=0755")?;
    kernel_fs("proc", "/proc", inert(), "")?;
    kernel_fs("sysfs", "/sys", inert(), "")
}

/// What programs expect besides, in the new root.
///
/// # Errors
/// [`BootError`].
pub(super) fn late() -> Result<(), BootError> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    kernel_fs("devpts", "/dev/pts", quiet, "gid=5,mode=0620,ptmxmode=0666")?;
    let shared = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    kernel_fs("tmpfs", "/dev/shm", shared, "mode=1777")?;
    kernel_fs("tmpfs", "/run", shared, "mode=0755,size=20%")?;
    kernel_fs("cgroup2", "/sys/fs/cgroup", inert(), "")?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        std::os::unix::fs::symlink(target, link)
            .map_err(BootError::system("make the links of /dev"))?;
    }
    Ok(())
}

/// Moves a mounted file system to a folder of the new root.
///
/// # Errors
/// [`BootError`].
pub(super) fn carry_over(from: &str, new_root: &str) -> Result<(), BootError> {
    let to = format!("{new_root}{from}");
    folder(&to).map_err(BootError::system("make a mount point in the image"))?;
    mount_at(Some(from), &to, None, MsFlags::MS_MOVE, "")
}

/// Mounts; the error names what and where.
///
/// # Errors
/// [`BootError::Mount`].
pub(super) fn mount_at(
    source: Option<&str>,
    target: &str,
    kind: Option<&str>,
    flags: MsFlags,
    options: &str,
) -> Result<(), BootError> {
    mount(source, target, kind, flags, Some(options)).map_err(|errno| BootError::Mount {
        what: format!("{} at {target}", source.or(kind).unwrap_or("nothing")),
        source: errno,
    })
}

fn kernel_fs(kind: &str, target: &str, flags: MsFlags, options: &str) -> Result<(), BootError> {
    // sysfs and cgroupfs bring their mount points with them.
    if !target.starts_with("/sys/") {
        folder(target).map_err(BootError::system("make a mount point"))?;
    }
    mount_at(Some(kind), target, Some(kind), flags, options)
}

/// A folder for sure: an image may have a link there, which would lead out of it.
pub(super) fn folder(path: &str) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir(Path::new(path))
}

fn inert() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
}
