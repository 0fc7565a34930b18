//! From the interface to the node.

use thaw_api_types::Language;
use thaw_runner::node::{
    TemplateId, TemplateSelector,
    vmm::{Shape, protocol},
};

/// The template that a checked request means: `image` counts where it is given.
pub(crate) fn selector(
    image: Option<String>,
    template: Option<String>,
    vcpus: u8,
    memory_mib: u32,
) -> TemplateSelector {
    match (image, template) {
        (None, Some(id)) => TemplateSelector::Template(TemplateId::new(id)),
        (image, _) => TemplateSelector::Image {
            image: image.unwrap_or_default(),
            shape: Shape { vcpus, memory_mib },
        },
    }
}

/// A machine's size, with the defaults for what a request leaves out.
pub(crate) fn shape(vcpus: Option<u8>, memory_mib: Option<u32>) -> (u8, u32) {
    use thaw_api_types::limits::{DEFAULT_MEMORY_MIB, DEFAULT_VCPUS};
    (
        vcpus.unwrap_or(DEFAULT_VCPUS),
        memory_mib.unwrap_or(DEFAULT_MEMORY_MIB),
    )
}

pub(crate) fn to_language(language: Language) -> protocol::Language {
    match language {
        Language::Python => protocol::Language::Python,
    }
}
