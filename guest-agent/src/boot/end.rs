//! The end of the machine.

use nix::{
    sys::{
        reboot::{RebootMode, reboot},
        signal::{Signal, kill},
    },
    unistd::{Pid, getpid, sync},
};

/// Writes everything that is dirty to the disks.
pub(crate) fn write_back() {
    sync();
}

/// Ends all processes, writes back and powers off; only PID 1 may, and for others nothing happens.
pub(crate) fn power_off() {
    if getpid() != Pid::from_raw(1) {
        return;
    }
    // Everybody but PID 1; there may be nobody.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
    // A machine without a power switch: the VMM ends at a reset.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
}

/// Powers the machine off when it is dropped, however the operation that holds it ends.
#[derive(Debug)]
pub(crate) struct PowerOff;

impl Drop for PowerOff {
    fn drop(&mut self) {
        power_off();
    }
}
