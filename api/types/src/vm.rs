//! VMs that stay: what is asked of them, and what is told of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{check, limits};

/// A VM that lives until it is deleted. Give one of `image`, `template` and `snapshot`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVmRequest {
    /// An image's name or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "python")]
    pub image: Option<String>,
    /// A template's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A snapshot's id or name: the VM begins where the snapshot was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// A name, up to 128 characters, that no other VM has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
    /// The least size of its own disk in MiB: at most what `thaw serve --max-disk` says, 65536 unless it says
    /// otherwise. Less than what the template or the snapshot has, 4096 unless it was larger, is given that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub disk_mib: Option<u64>,
    /// The environment of every program in it, added to the image's: at most 64 KiB. Absent with `snapshot`:
    /// that of the VM which the snapshot was taken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Whatever its owner wants to note: an object of at most 64 KiB. Absent with `snapshot`: the snapshot's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// After this many seconds without a request it is paused until the next one: 1 to 31536000; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31536000)]
    pub idle_timeout_s: Option<u64>,
    /// So many seconds after its creation it is deleted: 1 to 31536000; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31536000)]
    pub max_lifetime_s: Option<u64>,
    /// Ask for a network. There are none yet: the VM is made without one, and `warnings` says so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub network: bool,
    /// How long to wait for the VM, in milliseconds: 1 to 3600000, default 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 60000)]
    pub start_timeout_ms: Option<u64>,
}

impl CreateVmRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.snapshot {
            None => check::instance(
                self.image.as_deref(),
                self.template.as_deref(),
                self.vcpus,
                self.memory_mib,
                &mut problems,
            ),
            Some(snapshot) => {
                check::name("snapshot", snapshot, &mut problems);
                if self.image.is_some() || self.template.is_some() {
                    problems.push("give one of image, template and snapshot".to_owned());
                }
                if self.vcpus.is_some() || self.memory_mib.is_some() {
                    problems.push("vcpus and memory_mib belong to the snapshot".to_owned());
                }
            }
        }
        if let Some(name) = &self.name {
            check::name("name", name, &mut problems);
        }
        check::noted(self.env.as_ref(), self.metadata.as_ref(), &mut problems);
        for (field, seconds) in [
            ("idle_timeout_s", self.idle_timeout_s),
            ("max_lifetime_s", self.max_lifetime_s),
        ] {
            if let Some(seconds) = seconds {
                check::range(field, seconds, 1, limits::MAX_VM_TIME_S, &mut problems);
            }
        }
        if self.disk_mib == Some(0) {
            problems.push("disk_mib is 0; it is at least 1".to_owned());
        }
        if let Some(start_timeout_ms) = self.start_timeout_ms {
            let most = limits::MAX_START_TIMEOUT_MS;
            check::range("start_timeout_ms", start_timeout_ms, 1, most, &mut problems);
        }
        problems
    }
}

/// What to change about a VM; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeVmRequest {
    /// A new name that no other VM has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Metadata in place of all of the old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// A JSON merge patch (RFC 7396) for the metadata: keys with null are taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata_merge: Option<Map<String, Value>>,
    /// A new idle time in seconds; 0 takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31536000)]
    pub idle_timeout_s: Option<u64>,
    /// A new lifetime in seconds, counted from its creation; 0 takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31536000)]
    pub max_lifetime_s: Option<u64>,
}

impl ChangeVmRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::change(
            self.name.as_deref(),
            self.metadata.as_ref(),
            self.metadata_merge.as_ref(),
            &mut problems,
        );
        for (field, seconds) in [
            ("idle_timeout_s", self.idle_timeout_s),
            ("max_lifetime_s", self.max_lifetime_s),
        ] {
            if let Some(seconds) = seconds {
                check::range(field, seconds, 0, limits::MAX_VM_TIME_S, &mut problems);
            }
        }
        problems
    }
}

/// What a VM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    /// Its CPUs run.
    Running,
    /// Its CPUs are stopped, its memory is there.
    Paused,
    /// It is powered off, its disk is there.
    Stopped,
}

/// Which part of what a VM has said on its console is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VmLogsQuery {
    /// Only so many lines at its end; all that is kept (64 KiB) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Go on with what it says next, until it ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub follow: bool,
}

/// Why a VM is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// Somebody asked for it; it stays so until it is resumed.
    Request,
    /// Nobody used it for `idle_timeout_s`; the next request into it wakes it.
    Idle,
}

/// A VM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VmInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it does.
    pub state: VmState,
    /// Why it is paused; null when it is not.
    pub paused_by: Option<PausedBy>,
    /// Why it is stopped, where nobody asked for it.
    pub stopped_reason: Option<String>,
    /// The image as it was asked for, else its digest.
    pub image: String,
    /// The image's digest.
    pub image_digest: String,
    /// The template that its memory began as.
    pub template: String,
    /// The snapshot that it was restored from, or null.
    pub snapshot: Option<String>,
    /// Its CPUs.
    pub vcpus: u8,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// The size of its own disk in MiB; the host's disk holds what was written.
    pub disk_mib: u64,
    /// The environment of every program in it, added to the image's.
    pub env: BTreeMap<String, String>,
    /// What its owner noted.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// After this many seconds without a request it is paused; never when null.
    pub idle_timeout_s: Option<u64>,
    /// When it is deleted, in seconds since 1970-01-01 UTC; never when null.
    pub expires_at: Option<u64>,
    /// What is not as it was asked for.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Which VMs to list; what is absent does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VmListQuery {
    /// What they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<VmState>,
    /// The name, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The image: as it was asked for, or the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A JSON object: each of its keys is in the metadata with an equal value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = r#"{"user":"ada"}"#)]
    pub metadata: Option<String>,
    /// How many to list: 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// VMs, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VmList {
    /// The VMs.
    pub vms: Vec<VmInfo>,
    /// Where the next page begins; null when this is the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// VMs to make of one that is there; they begin where it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkVmRequest {
    /// How many: 1 to 64, default 1.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 64, default = 1)]
    pub count: u32,
    /// Their names, one for each; without names when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// The environment of every program in them. Absent: that of the VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// What is noted of them. Absent: what is noted of the VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// How long to wait for them, in milliseconds: 1 to 3600000, default 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 60000)]
    pub start_timeout_ms: Option<u64>,
}

impl Default for ForkVmRequest {
    fn default() -> Self {
        Self {
            count: one(),
            names: None,
            env: None,
            metadata: None,
            start_timeout_ms: None,
        }
    }
}

impl ForkVmRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::range("count", self.count, 1, limits::MAX_FORKS, &mut problems);
        if let Some(names) = &self.names {
            if names.len() != self.count as usize {
                problems.push(format!(
                    "names has {} names for {} VMs",
                    names.len(),
                    self.count
                ));
            }
            for name in names {
                check::name("names", name, &mut problems);
            }
        }
        check::noted(self.env.as_ref(), self.metadata.as_ref(), &mut problems);
        if let Some(start_timeout_ms) = self.start_timeout_ms {
            let most = limits::MAX_START_TIMEOUT_MS;
            check::range("start_timeout_ms", start_timeout_ms, 1, most, &mut problems);
        }
        problems
    }
}

/// VMs that were made of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForkVmResponse {
    /// The new VMs, in the order of their names.
    pub vms: Vec<VmInfo>,
    /// How long the CPUs of the VM that was forked stood still, in microseconds.
    pub paused_us: u64,
    /// How long its programs stood still, in microseconds: that, and bringing them to rest and letting them go on.
    pub at_rest_us: u64,
    /// How long it took until all were awake, in microseconds.
    pub total_us: u64,
}

fn one() -> u32 {
    1
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(json: &str) -> String {
        let request: CreateVmRequest = serde_json::from_str(json).unwrap();
        request.problems().join("; ")
    }

    #[test]
    fn a_vm_begins_as_exactly_one_thing() {
        assert_eq!(problems(r#"{"image": "python", "disk_mib": 4096}"#), "");
        assert_eq!(problems(r#"{"snapshot": "s", "env": {}}"#), "");
        assert!(problems("{}").contains("image or template"));
        assert!(problems(r#"{"snapshot": "s", "image": "i"}"#).contains("one of"));
        assert!(problems(r#"{"snapshot": "s", "vcpus": 2}"#).contains("belong"));
    }

    #[test]
    fn what_is_out_of_range_or_too_large_is_told_all_at_once() {
        let large = "x".repeat(limits::MAX_METADATA_BYTES);
        let found = problems(&format!(
            r#"{{"image": "i", "disk_mib": 0, "idle_timeout_s": 0, "max_lifetime_s": 99999999999,
                 "env": {{"": "v"}}, "metadata": {{"k": "{large}"}}}}"#
        ));
        for word in [
            "disk_mib",
            "idle_timeout_s",
            "max_lifetime_s",
            "env",
            "metadata",
        ] {
            assert!(found.contains(word), "{word} is not in {found}");
        }
    }

    #[test]
    fn forks_have_as_many_names_as_there_are_vms() {
        let problems = |json: &str| {
            let request: ForkVmRequest = serde_json::from_str(json).unwrap();
            request.problems().join("; ")
        };
        assert_eq!(problems("{}"), "");
        assert_eq!(problems(r#"{"count": 2, "names": ["a", "b"]}"#), "");
        assert!(problems(r#"{"count": 2, "names": ["a"]}"#).contains("1 names for 2"));
        assert!(problems(r#"{"count": 65}"#).contains("count"));
    }
}
