//! `thaw vm create`

use anyhow::Result;
use thaw_api_types::{CreateVmRequest, EnsureTemplateRequest};

use super::show;
use crate::{
    arguments::{VmCreate, VmTraits},
    commands::pairs::{environment, given, metadata},
    exit::Exit,
    output::Progress,
    server::connect,
};

/// Makes sure of the template first, so that whoever waits for an image sees how far it is.
pub(super) async fn run(wanted: VmCreate) -> Result<Exit> {
    let request = CreateVmRequest {
        image: wanted.image.clone(),
        template: wanted.template,
        vcpus: wanted.vcpus,
        memory_mib: wanted.memory,
        ..create_request(wanted.traits)?
    };
    let client = connect(&wanted.connection)?;
    if let Some(image) = wanted.image {
        let template = EnsureTemplateRequest {
            image,
            vcpus: wanted.vcpus,
            memory_mib: wanted.memory,
        };
        let mut progress = Progress::start();
        let work = client.ensure_template(&template).await?;
        work.finish(|event| progress.show(event)).await?;
    }
    let vm = client.create_vm(&request).await?;
    show(&vm, wanted.connection.json)
}

/// What a new VM is given, whatever it begins as.
///
/// # Errors
/// An entry without `=`.
pub(crate) fn create_request(traits: VmTraits) -> Result<CreateVmRequest> {
    Ok(CreateVmRequest {
        name: traits.name,
        disk_mib: traits.disk,
        env: given(&traits.env, environment)?,
        metadata: given(&traits.metadata, metadata)?,
        idle_timeout_s: traits.idle,
        max_lifetime_s: traits.lifetime,
        network: traits.network,
        start_timeout_ms: traits.timeout.map(|seconds| seconds.saturating_mul(1000)),
        ..CreateVmRequest::default()
    })
}
