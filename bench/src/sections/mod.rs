//! One file for each thing that is measured.

pub(crate) mod burst;
pub(crate) mod cold;
pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod forks;
pub(crate) mod functions;
pub(crate) mod memory;
pub(crate) mod neighbour;
pub(crate) mod sequential;
pub(crate) mod vms;
