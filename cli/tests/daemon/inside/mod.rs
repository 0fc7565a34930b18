//! What happens inside a machine, over HTTP and through the commands, in a real one.

mod files;
mod world;
