//! Files into a VM and out of it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::Method;
use sha2::{Digest as _, Sha256};

use super::{
    machine,
    run::{Bench, row},
};
use crate::{
    client::{Body, Client},
    report::{Report, progress},
    stats::Samples,
};

const SIZE_MIB: u32 = 8;
const ROUNDS: u64 = 10;
const PATH: &str = "/root/bench.bin";

/// Writes a file and reads it again, other bytes each time.
pub(super) async fn measure(bench: Bench<'_>, report: &mut Report) -> Result<()> {
    progress("files");
    let vm = bench.vm().await?;
    let (mut up, mut down) = (Samples::new()?, Samples::new()?);
    // The first finds cold paths.
    for round in 0..=ROUNDS {
        let content = content(round);
        let digest = hex::encode(Sha256::digest(&content));
        let written = upload(bench.client, &vm, content).await?;
        // The guest's own opinion of what it has.
        let prints = format!("{digest}  {PATH}\n");
        machine::exec(bench.client, &vm, &["sha256sum", PATH], &prints).await?;
        let (read, back) = download(bench.client, &vm).await?;
        let back = hex::encode(Sha256::digest(&back));
        ensure!(back == digest, "{back} came back of {digest}");
        if round > 0 {
            up.add(written);
            down.add(read);
        }
    }
    bench.client.delete_vm(&vm).await?;
    for (what, samples) in [("upload", &up), ("download", &down)] {
        let what = format!("{what} of a file of {SIZE_MIB} MiB");
        report.rows.push(row(&what, samples, &[]));
    }
    report.figure(
        "files whose SHA-256 was right in the VM and back here",
        (ROUNDS + 1) as f64,
        "",
    );
    Ok(())
}

async fn upload(client: &Client, vm: &str, content: Vec<u8>) -> Result<Duration> {
    let path = format!("/v1/vms/{vm}/files/content?path={PATH}");
    let begin = Instant::now();
    let answer = client
        .send(Method::PUT, &path, Body::Bytes(content))
        .await?;
    let status = answer.status();
    let said = answer.text().await?;
    ensure!(status.is_success(), "an upload answered {status}: {said}");
    Ok(begin.elapsed())
}

async fn download(client: &Client, vm: &str) -> Result<(Duration, Vec<u8>)> {
    let path = format!("/v1/vms/{vm}/files/content?path={PATH}");
    let begin = Instant::now();
    let answer = client.send(Method::GET, &path, Body::Empty).await?;
    let content = answer.error_for_status()?.bytes().await?;
    Ok((begin.elapsed(), content.to_vec()))
}

/// Bytes that nothing on the way can make smaller (xorshift64).
fn content(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (SIZE_MIB << 20) / 8;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..words).flat_map(|_| next()).collect()
}
