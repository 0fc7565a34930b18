//! How long a fork holds its VM up, and how long it takes: by the guest's size, and by what it wrote.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{
    client::Client,
    plan::machine,
    report::{Report, Row, progress},
    stats::Samples,
};

/// The guests' memory in MiB.
const GUESTS_MIB: [u32; 2] = [256, 1024];

/// What they write into memory, in MiB, beside what every clone writes as it wakes.
const WRITTEN_MIB: [u32; 3] = [1, 10, 100];

/// Forks of each: they are few, because each is a VM that has to be made and removed.
const FORKS: u32 = 10;

/// What a fork answers, as far as it is measured.
#[derive(Debug, Deserialize)]
struct Forked {
    paused_us: u64,
    at_rest_us: u64,
    total_us: u64,
    vms: Vec<Vm>,
}

#[derive(Debug, Deserialize)]
struct Vm {
    id: String,
}

/// Forks VMs of each size; beside it one that wrote to its disk as well.
pub(crate) async fn run(client: &Client, image: &str) -> Result<Report> {
    let mut report = Report::default();
    let template = client.ensure_template(image).await?;
    let engine = template["engine"].as_str().unwrap_or_default();
    report.machine = machine(engine.to_owned());
    for guest_mib in GUESTS_MIB {
        for written_mib in WRITTEN_MIB {
            let vm = wrote(client, image, guest_mib, written_mib).await?;
            let what = format!("fork of a {guest_mib} MiB VM, {written_mib} MiB written");
            forks(client, &vm, &what, &mut report).await?;
            if written_mib == 10 {
                let line = "head -c 1048576 /dev/urandom > /root/written && sync";
                shell(client, &vm, line).await?;
                let what = format!("{what}, and 1 MiB to its disk");
                forks(client, &vm, &what, &mut report).await?;
            }
            client.delete_vm(&vm).await?;
        }
        let none = json!({ "image": image, "memory_mib": guest_mib, "min": 0, "max": 4 });
        client.call(Method::PUT, "/v1/pools", Some(none)).await?;
    }
    Ok(report)
}

/// Makes a VM whose guest holds so much in memory that is not in its template.
async fn wrote(client: &Client, image: &str, guest_mib: u32, written_mib: u32) -> Result<String> {
    progress(&format!(
        "forks of a {guest_mib} MiB VM that wrote {written_mib} MiB"
    ));
    let wanted = json!({ "image": image, "memory_mib": guest_mib });
    let made = client.call(Method::POST, "/v1/vms", Some(wanted)).await?;
    let vm: Vm = serde_json::from_value(made).context("reading a VM")?;
    // By and by, so that it fits into the small guest.
    let write = format!(
        "python3 -c \"with open('/dev/shm/written', 'wb') as out:\n \
         for _ in range({written_mib}): out.write(b'w' * (1 << 20))\""
    );
    shell(client, &vm.id, &write).await?;
    Ok(vm.id)
}

async fn forks(client: &Client, vm: &str, what: &str, report: &mut Report) -> Result<()> {
    let mut paused = Samples::new()?;
    let mut at_rest = Samples::new()?;
    let mut total = Samples::new()?;
    for _ in 0..FORKS {
        let path = format!("/v1/vms/{vm}/fork");
        let answer = client.call(Method::POST, &path, Some(json!({}))).await?;
        let forked: Forked = serde_json::from_value(answer).context("reading a fork")?;
        paused.add_us(forked.paused_us);
        at_rest.add_us(forked.at_rest_us);
        total.add_us(forked.total_us);
        for fork in forked.vms {
            client.delete_vm(&fork.id).await?;
        }
    }
    report.rows.push(Row {
        what: format!("{what}: until the fork is awake"),
        wall: total.latency(),
        stages: vec![
            ("the VM's CPUs stood still".to_owned(), paused.latency()),
            ("its programs stood still".to_owned(), at_rest.latency()),
        ],
    });
    Ok(())
}

async fn shell(client: &Client, vm: &str, line: &str) -> Result<()> {
    let ran = client.exec_in(vm, json!({ "command": line })).await?;
    ensure!(ran.exec.exit_code == Some(0), "{line}: {:?}", ran.exec);
    Ok(())
}
