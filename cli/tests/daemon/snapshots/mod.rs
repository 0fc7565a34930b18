//! Snapshots and forks of running machines, with real guests.

mod faults;
mod forks;
mod kept;
mod kills;
mod world;
