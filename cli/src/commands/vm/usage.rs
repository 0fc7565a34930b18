//! `thaw vm usage`

use anyhow::Result;
use thaw_api_types::{VmListQuery, VmUsage as Usage};

use super::list::state_word;
use crate::{
    arguments::VmUsage,
    exit::Exit,
    output::{self, bytes},
    server::connect,
};

/// Printed where there is no figure.
const NONE: &str = "-";

pub(super) async fn run(wanted: VmUsage) -> Result<Exit> {
    let client = connect(&wanted.connection)?;
    let mut vms = wanted.vms;
    if vms.is_empty() {
        let list = client.vms(&VmListQuery::default()).await?;
        vms = list.vms.into_iter().map(|vm| vm.id).collect();
    }
    let mut usages = Vec::new();
    for vm in &vms {
        usages.push(client.vm_usage(vm).await?);
    }
    if wanted.connection.json {
        output::json(&usages)?;
    } else {
        let head = [
            "VM",
            "STATE",
            "CPU TIME",
            "MEMORY",
            "DISK",
            "PROCESSES",
            "HOST MEMORY",
            "HOST DISK",
        ];
        let rows: Vec<_> = usages.iter().map(row).collect();
        output::table(&head, &rows)?;
    }
    Ok(Exit::SUCCESS)
}

fn row(usage: &Usage) -> Vec<String> {
    let guest = usage.guest.as_ref();
    let of_guest = |cell: &dyn Fn(&thaw_api_types::GuestUsage) -> String| {
        guest.map_or_else(|| NONE.to_owned(), cell)
    };
    let part = |available: u64, total: u64| {
        format!(
            "{} of {}",
            bytes(total.saturating_sub(available)),
            bytes(total)
        )
    };
    let host = usage.host.memory.as_ref();
    vec![
        usage.name.clone().unwrap_or_else(|| usage.id.clone()),
        state_word(usage.state).to_owned(),
        of_guest(&|guest| seconds(guest.cpu_us)),
        of_guest(&|guest| part(guest.memory_available_bytes, guest.memory_total_bytes)),
        of_guest(&|guest| part(guest.disk_available_bytes, guest.disk_total_bytes)),
        of_guest(&|guest| guest.processes.to_string()),
        host.map_or_else(
            || NONE.to_owned(),
            |memory| bytes(memory.proportional_bytes),
        ),
        bytes(usage.host.disk_bytes),
    ]
}

/// With one digit after the point.
fn seconds(us: u64) -> String {
    let tenths = us / 100_000;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_seconds() {
        assert_eq!(seconds(0), "0.0 s");
        assert_eq!(seconds(12_345_678), "12.3 s");
    }
}
