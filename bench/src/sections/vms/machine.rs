//! The VMs of this run. They carry a mark, by which all of them are found and deleted, and live for so long only,
//! should nobody delete them.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

/// `{"bench":"vms"}`, percent-encoded.
const MARK: &str = "%7B%22bench%22%3A%22vms%22%7D";

/// After which a VM of this run deletes itself.
const LIFETIME_S: u32 = 3600;

/// What a VM is created with.
pub(super) fn request(image: &str) -> Value {
    json!({ "image": image, "metadata": { "bench": "vms" }, "max_lifetime_s": LIFETIME_S })
}

/// Creates a VM; returns its id.
pub(super) async fn create(client: &Client, image: &str) -> Result<String> {
    let made = client
        .call(Method::POST, "/v1/vms", Some(request(image)))
        .await?;
    let id = made["id"].as_str().context("a VM without an id")?;
    Ok(id.to_owned())
}

/// Runs a program that has to end well and to print exactly this.
pub(super) async fn exec(client: &Client, vm: &str, argv: &[&str], prints: &str) -> Result<Answer> {
    let answer = client.exec_in(vm, json!({ "argv": argv })).await?;
    ensure!(
        answer.exec.exit_code == Some(0) && answer.exec.stdout == prints,
        "{argv:?} answered {:?}",
        answer.exec
    );
    Ok(answer)
}

/// The ids of this run's VMs that run.
pub(super) async fn running(client: &Client) -> Result<Vec<String>> {
    listed(client, "&state=running").await
}

/// Deletes every VM of this run. One that can't be deleted does not keep the others.
pub(super) async fn delete_all(client: &Client) -> Result<()> {
    let mut outcome = Ok(());
    for vm in listed(client, "").await? {
        outcome = outcome.and(client.delete_vm(&vm).await);
    }
    outcome
}

async fn listed(client: &Client, filter: &str) -> Result<Vec<String>> {
    let path = format!("/v1/vms?limit=1000&metadata={MARK}{filter}");
    let listing = client.call(Method::GET, &path, None).await?;
    let vms = listing["vms"].as_array().context("a list without VMs")?;
    let ids = vms.iter().filter_map(|vm| vm["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}
