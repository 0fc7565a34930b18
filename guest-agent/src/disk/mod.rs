//! The scratch disk, which the host may make larger.

mod grow;
mod sys;

pub(crate) use grow::Scratch;

/// The folder of a block device such as `/dev/vda` in sysfs.
pub(crate) fn sysfs(device: &str) -> String {
    device.replace("/dev/", "/sys/block/")
}
