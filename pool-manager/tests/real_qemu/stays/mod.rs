//! VMs that stay, with real guests: across restarts and kills of the daemon, and of the VMM.

mod killed;
mod restarts;
