//! A VM as BandSox describes it.

use serde_json::{Value, json};
use thaw_runner::{KEPT_KEY, VmInfo, VmStatus};

use crate::convert::shown_env;

/// A VM. What would be a path or a process of the host is `null`, and so is the network until there are any.
pub(super) fn vm(info: &VmInfo) -> Value {
    let mut metadata = info.metadata.as_object().clone();
    // The `mcp` option, redacted; clients don't see it there.
    let mcp = metadata.remove(KEPT_KEY);
    let running = matches!(info.state, VmStatus::Running);
    let mut vm = json!({
        "id": info.id.as_str(),
        "name": info.name,
        "image": info.image_name.as_ref().unwrap_or(&info.image),
        "vcpu": info.shape.vcpus,
        "mem_mib": info.shape.memory_mib,
        "disk_size_mib": info.disk_bytes >> 20,
        "rootfs_path": null,
        "network_config": null,
        "vsock_config": null,
        "created_at": seconds(info.created_at_ms),
        "status": status(&info.state),
        "pid": null,
        "env_vars": shown_env(info.env.clone(), &info.metadata),
        "mcp": mcp,
        "metadata": metadata,
        "agent_ready": running,
    });
    if let Some(snapshot) = &info.snapshot {
        vm["restored_from"] = Value::String(snapshot.to_string());
    }
    vm
}

fn status(state: &VmStatus) -> &'static str {
    match state {
        VmStatus::Running => "running",
        VmStatus::Paused(_) => "paused",
        VmStatus::Stopped { .. } => "stopped",
    }
}

/// Seconds since 1970-01-01 UTC, as BandSox counts time.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this age are whole in a float"
)]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
