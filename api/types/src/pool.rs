//! Pools.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{check, limits};

/// The bounds of a pool; the pool and its template are made where they are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPoolRequest {
    /// An image's name or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A template's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
    /// Parked clones that are kept whatever the demand, 0 to `max`.
    pub min: u32,
    /// Parked clones at most, 0 to 10000.
    #[schema(maximum = 10000)]
    pub max: u32,
    /// After this many milliseconds without a request the pool shrinks to `min`: 1000 to 86400000, default 300000.
    #[serde(default = "default_idle_ms")]
    #[schema(minimum = 1000, maximum = 86400000, default = 300000)]
    pub idle_ms: u64,
}

fn default_idle_ms() -> u64 {
    300_000
}

impl SetPoolRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::instance(
            self.image.as_deref(),
            self.template.as_deref(),
            self.vcpus,
            self.memory_mib,
            &mut problems,
        );
        check::range("max", self.max, 0, limits::MAX_POOL_SIZE, &mut problems);
        if self.min > self.max {
            problems.push(format!("min is {}, more than max, {}", self.min, self.max));
        }
        let most = limits::MAX_POOL_IDLE_MS;
        check::range("idle_ms", self.idle_ms, 1000, most, &mut problems);
        problems
    }
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolInfo {
    /// Its template.
    pub template: String,
    /// Parked clones that are kept whatever the demand.
    pub min: u32,
    /// Parked clones at most.
    pub max: u32,
    /// After this many milliseconds without a request the pool shrinks to `min`.
    pub idle_ms: u64,
    /// Parked clones that are wanted now.
    pub target: u32,
    /// Shells that wait.
    pub shells: u32,
    /// Clones that are being restored or proven.
    pub starting: u32,
    /// Parked clones.
    pub parked: u32,
    /// Leased clones.
    pub leased: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// Restores that failed in a row.
    pub failures: u32,
    /// The last error of a start; null when there was none.
    pub last_error: Option<String>,
}

/// Every pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolList {
    /// The pools.
    pub pools: Vec<PoolInfo>,
}
