//! Changing what is noted of a VM: its name, its metadata, its times.

use std::time::Duration;

use serde_json::{Map, Value};

use super::VmInfo;
use crate::{EventKind, Metadata, Runner, VmError};

/// What to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct VmChange {
    /// A new name that no other VM has.
    pub name: Option<String>,
    /// New metadata in place of all of the old but [`KEPT_KEY`](crate::KEPT_KEY).
    pub metadata: Option<Metadata>,
    /// A JSON merge patch (RFC 7396) for the metadata.
    pub merge: Option<Map<String, Value>>,
    /// A new idle time; the inner `None` takes it away.
    pub idle_timeout: Option<Option<Duration>>,
    /// A new lifetime, counted from the creation; the inner `None` takes it away.
    pub max_lifetime: Option<Option<Duration>>,
}

impl Runner {
    /// Changes what is noted of a VM: all of it, or nothing and an error.
    ///
    /// # Errors
    /// See [`VmError`].
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn change_vm(&self, id_or_name: &str, change: VmChange) -> Result<VmInfo, VmError> {
        let vm = self.find_vm(id_or_name)?;
        self.on_turn(vm, id_or_name, |runner, turn| async move {
            let before = turn.info();
            let after = changed(&before, &change)?;
            if after == before {
                return Ok(before);
            }
            let name = match &after.name {
                Some(name) if after.name != before.name => {
                    Some(runner.catalog().claim_name(name.clone())?)
                }
                _ => None,
            };
            turn.write(runner.store(), after.clone()).await?;
            if let Some(name) = name {
                name.give(after.id.as_str(), before.name.as_deref());
            }
            runner.tell_vm(EventKind::VmUpdated, turn.vm(), None);
            Ok(after)
        })
        .await
    }
}

fn changed(before: &VmInfo, change: &VmChange) -> Result<VmInfo, VmError> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        after.name = Some(name.clone());
    }
    if let Some(metadata) = &change.metadata {
        after.metadata = metadata.clone();
    }
    if let Some(merge) = &change.merge {
        after.metadata = after.metadata.merged(merge.clone())?;
    }
    after.metadata = after.metadata.in_place_of(&before.metadata)?;
    if let Some(idle_timeout) = change.idle_timeout {
        after.idle_timeout = idle_timeout;
    }
    if let Some(max_lifetime) = change.max_lifetime {
        after.max_lifetime = max_lifetime;
    }
    Ok(after)
}
