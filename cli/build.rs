//! Finds the guest agent that the binary carries inside itself.

use std::{env, fs, path::PathBuf};

/// Where `make agent` leaves it.
const BUILT: &str = "../target/agent/x86_64-unknown-linux-gnu/agent/thaw-agent";

#[expect(clippy::unwrap_used, reason = "a build script fails by panicking")]
fn main() {
    println!("cargo::rerun-if-env-changed=THAW_AGENT_BIN");
    let agent = env::var_os("THAW_AGENT_BIN").map_or_else(|| PathBuf::from(BUILT), PathBuf::from);
    println!("cargo::rerun-if-changed={}", agent.display());
    // Without it everything compiles, and what needs the agent says that it is missing.
    let bytes = fs::read(&agent).unwrap_or_default();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("thaw-agent");
    fs::write(out, bytes).unwrap();
}
