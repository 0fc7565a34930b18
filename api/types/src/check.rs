//! Checks that several requests share. Each adds a sentence to a list, so that all mistakes are told at once.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::limits;

/// Exactly one of `image` and `template`; a template has its size already.
pub(crate) fn instance(
    image: Option<&str>,
    template: Option<&str>,
    vcpus: Option<u8>,
    memory_mib: Option<u32>,
    problems: &mut Vec<String>,
) {
    match (image, template) {
        (Some(image), None) => name("image", image, problems),
        (None, Some(template)) => {
            name("template", template, problems);
            if vcpus.is_some() || memory_mib.is_some() {
                problems.push(
                    "vcpus and memory_mib belong to the template; leave them out, or name an image"
                        .to_owned(),
                );
            }
        }
        (Some(_), Some(_)) => problems.push("give image or template, not both".to_owned()),
        (None, None) => problems.push("give image or template".to_owned()),
    }
    if let Some(vcpus) = vcpus {
        range("vcpus", vcpus, 1, limits::MAX_VCPUS, problems);
    }
    if let Some(memory_mib) = memory_mib {
        range(
            "memory_mib",
            memory_mib,
            limits::MIN_MEMORY_MIB,
            limits::MAX_MEMORY_MIB,
            problems,
        );
    }
}

pub(crate) fn range<T: PartialOrd + std::fmt::Display>(
    field: &str,
    value: T,
    least: T,
    most: T,
    problems: &mut Vec<String>,
) {
    if value < least || value > most {
        problems.push(format!("{field} is {value}; it may be {least} to {most}"));
    }
}

/// A name: not empty, not too long, nothing that would not show.
pub fn name(field: &str, value: &str, problems: &mut Vec<String>) {
    if value.is_empty() {
        problems.push(format!("{field} is empty"));
    } else if value.chars().count() > limits::MAX_NAME_CHARS {
        problems.push(format!(
            "{field} is longer than {} characters",
            limits::MAX_NAME_CHARS
        ));
    } else if value.chars().any(char::is_control) {
        problems.push(format!("{field} holds a control character"));
    }
}

/// The environment of a VM's programs, and what is noted of a VM or snapshot.
pub fn noted(
    env: Option<&BTreeMap<String, String>>,
    metadata: Option<&Map<String, Value>>,
    problems: &mut Vec<String>,
) {
    if let Some(env) = env {
        environment(env, problems);
        bytes("env", env, limits::MAX_VM_ENV_BYTES, problems);
    }
    if let Some(metadata) = metadata {
        bytes("metadata", metadata, limits::MAX_METADATA_BYTES, problems);
    }
}

/// A new name, and new metadata or a patch for it.
pub(crate) fn change(
    new_name: Option<&str>,
    metadata: Option<&Map<String, Value>>,
    merge: Option<&Map<String, Value>>,
    problems: &mut Vec<String>,
) {
    if let Some(new_name) = new_name {
        name("name", new_name, problems);
    }
    if metadata.is_some() && merge.is_some() {
        problems.push("give metadata or metadata_merge, not both".to_owned());
    }
    for (field, object) in [("metadata", metadata), ("metadata_merge", merge)] {
        if let Some(object) = object {
            bytes(field, object, limits::MAX_METADATA_BYTES, problems);
        }
    }
}

/// Names and values that can be a program's environment.
pub(crate) fn environment(env: &BTreeMap<String, String>, problems: &mut Vec<String>) {
    for (key, value) in env {
        if key.is_empty() || key.contains('=') {
            problems.push(format!(
                "env has the name {key:?}; a name is not empty and has no ="
            ));
        }
        no_nul("env", key, problems);
        no_nul("env", value, problems);
    }
}

/// What takes too much as JSON.
fn bytes<T: Serialize>(field: &str, value: &T, most: usize, problems: &mut Vec<String>) {
    let taken = serde_json::to_vec(value).map_or(usize::MAX, |json| json.len());
    if taken > most {
        problems.push(format!(
            "{field} takes {taken} bytes as JSON; at most {most} are kept"
        ));
    }
}

/// Text that becomes a C string inside the guest.
pub fn no_nul(field: &str, value: &str, problems: &mut Vec<String>) {
    if value.contains('\0') {
        problems.push(format!("{field} holds a NUL character"));
    }
}
