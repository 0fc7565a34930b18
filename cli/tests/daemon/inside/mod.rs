//! What happens inside a machine, over HTTP and through the commands, in a real one.

mod background;
mod calls;
mod files;
mod logs;
mod ports;
mod terminals;
mod usage;
mod world;
