//! What makes a template the one that is wanted.

use sha2::{Digest as _, Sha256};
use thaw_vmm::{EngineIdentity, Shape};

use super::manifest::FORMAT_VERSION;
use crate::TemplateId;

/// Everything that a frozen machine depends on. A difference in any part is another template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateKey {
    /// The image's digest.
    pub(crate) image: String,
    /// The machine's size.
    pub(crate) shape: Shape,
    /// The SHA-256 of kernel and initramfs, so of the agent too.
    pub(crate) kernel: String,
    /// What the kernel is told.
    pub(crate) command_line: String,
    /// The VMM; a device state fits no other.
    pub(crate) engine: EngineIdentity,
    /// The length of the scratch disk.
    pub(crate) scratch_bytes: u64,
    /// What tells the function that was loaded from others; none where the image alone is frozen.
    pub(crate) function: Option<String>,
}

impl TemplateKey {
    /// 16 hex digits of a SHA-256 over the parts.
    pub(crate) fn id(&self) -> TemplateId {
        let engine = &self.engine;
        let parts = [
            format!("thaw template {FORMAT_VERSION}"),
            self.image.clone(),
            self.shape.vcpus.to_string(),
            self.shape.memory_mib.to_string(),
            self.kernel.clone(),
            self.command_line.clone(),
            engine.name.clone(),
            engine.version.clone(),
            engine.accelerator.clone(),
            engine.transport.clone(),
            engine.machine.clone(),
            self.scratch_bytes.to_string(),
        ];
        let mut hash = Sha256::new();
        for part in parts.into_iter().chain(self.function.clone()) {
            // The length keeps two lists of parts from reading alike.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        TemplateId(hex::encode(&hash.finalize()[..8]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TemplateKey {
        TemplateKey {
            image: "sha256:00".into(),
            shape: Shape {
                vcpus: 1,
                memory_mib: 256,
            },
            kernel: "k".into(),
            command_line: "quiet".into(),
            engine: EngineIdentity {
                name: "qemu".into(),
                version: "7.2.22".into(),
                accelerator: "tcg".into(),
                transport: "serial".into(),
                machine: "m".into(),
            },
            scratch_bytes: 4 << 30,
            function: None,
        }
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let change: [fn(&mut TemplateKey); 12] = [
            |key| key.image.push('1'),
            |key| key.shape.vcpus = 2,
            |key| key.shape.memory_mib = 512,
            |key| key.kernel.push('1'),
            |key| key.command_line.push('1'),
            |key| key.engine.name.push('1'),
            |key| key.engine.version.push('1'),
            |key| key.engine.accelerator.push('1'),
            |key| key.engine.transport.push('1'),
            |key| key.engine.machine.push('1'),
            |key| key.scratch_bytes += 1,
            |key| key.function = Some("f".into()),
        ];
        let mut ids = vec![key().id()];
        for change in change {
            let mut changed = key();
            change(&mut changed);
            ids.push(changed.id());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 13);
    }

    #[test]
    fn an_id_is_sixteen_hex_digits_and_the_same_each_time() {
        assert_eq!(key().id(), key().id());
        let id = key().id();
        assert_eq!(id.as_str().len(), 16);
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
