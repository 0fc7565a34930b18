//! From the node to the interface.

use std::time::Duration;

use thaw_api_types::{
    ImageConfig, ImageInfo, Language, PoolInfo, RestoreFaults, StartKind, TemplateInfo,
};
use thaw_runner::node::{self, vmm::protocol};

pub(crate) fn start_kind(kind: node::StartKind) -> StartKind {
    match kind {
        node::StartKind::Parked => StartKind::Parked,
        node::StartKind::Restored => StartKind::Restored,
        node::StartKind::Cold => StartKind::Cold,
        node::StartKind::Reused => StartKind::Reused,
    }
}

pub(crate) fn image(image: node::ImageInfo) -> ImageInfo {
    ImageInfo {
        digest: image.digest,
        names: image.names,
        fs: image.fs,
        size_bytes: image.size_bytes,
        created_at: image.created_at,
        source: image.source,
        config: ImageConfig {
            env: image.config.env,
            workdir: image.config.workdir,
            user: image.config.user,
            entrypoint: image.config.entrypoint,
            cmd: image.config.cmd,
        },
    }
}

pub(crate) fn template(template: node::TemplateInfo) -> TemplateInfo {
    TemplateInfo {
        id: template.id.to_string(),
        image: template.image,
        image_names: template.image_names,
        vcpus: template.shape.vcpus,
        memory_mib: template.shape.memory_mib,
        engine: template.engine,
        kernel: template.kernel,
        agent: template.agent,
        languages: template.languages.into_iter().map(language).collect(),
        disk_bytes: template.disk_bytes,
        resident_bytes: template.resident_bytes,
        memory_format: template.memory_format.to_string(),
        working_set_pages: template.working_set_pages,
        last_restores: template.last_restores.into_iter().map(restore).collect(),
        created_at: template.created_at,
        bake_ms: millis(template.bake),
        boot_ms: millis(template.boot),
        in_use: template.in_use,
    }
}

pub(crate) fn pool(pool: node::PoolInfo) -> PoolInfo {
    PoolInfo {
        template: pool.template.to_string(),
        min: pool.settings.min,
        max: pool.settings.max,
        idle_ms: millis(pool.settings.idle),
        target: pool.target,
        shells: pool.shells,
        starting: pool.starting,
        parked: pool.parked,
        leased: pool.leased,
        waiting: pool.waiting,
        failures: pool.failures,
        last_error: pool.last_error,
    }
}

fn restore(restore: node::RestoreFaults) -> RestoreFaults {
    RestoreFaults {
        working_set_pages: restore.working_set_pages,
        faults: restore.faults,
    }
}

fn language(language: protocol::Language) -> Language {
    match language {
        protocol::Language::Python => Language::Python,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
