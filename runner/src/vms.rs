//! The table of long-lived VMs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dashmap::{DashMap, Entry};
use thaw_pool_manager::{LeaseId, TemplateId, TemplateSelector, vmm::Shape};
use tokio::sync::OwnedSemaphorePermit;

use crate::{error::VmError, guard::LeaseGuard};

/// A VM to make.
#[derive(Debug, Clone)]
pub struct CreateVm {
    /// Its template.
    pub selector: TemplateSelector,
    /// A name that no other VM has.
    pub name: Option<String>,
    /// How long the caller waits for it, a bake included.
    pub start_within: Duration,
}

/// A long-lived VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmInfo {
    /// Its id.
    pub id: LeaseId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The template that it was restored from.
    pub template: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The machine's size.
    pub shape: Shape,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
}

/// Every long-lived VM, by id, and the names that are taken.
#[derive(Debug, Default)]
pub(crate) struct Vms {
    by_id: DashMap<String, Entered>,
    names: DashMap<String, Option<String>>,
}

#[derive(Debug)]
struct Entered {
    info: VmInfo,
    lease: Arc<LeaseGuard>,
    _permit: OwnedSemaphorePermit,
}

/// A name that is taken while its VM is made; free again when dropped before the VM is entered.
#[derive(Debug)]
pub(crate) struct ReservedName<'a> {
    vms: &'a Vms,
    name: Option<String>,
}

impl Vms {
    /// Takes a name, before anything is made for it.
    pub(crate) fn reserve(&self, name: Option<&str>) -> Result<ReservedName<'_>, VmError> {
        if let Some(name) = name {
            match self.names.entry(name.to_owned()) {
                Entry::Occupied(_) => return Err(VmError::NameTaken(name.to_owned())),
                Entry::Vacant(free) => drop(free.insert(None)),
            }
        }
        Ok(ReservedName {
            vms: self,
            name: name.map(str::to_owned),
        })
    }

    /// Finds a VM by id, name, or the beginning of exactly one id.
    pub(crate) fn find(&self, id_or_name: &str) -> Result<(VmInfo, Arc<LeaseGuard>), VmError> {
        let id = self.id_of(id_or_name)?;
        let found = self.by_id.get(&id).ok_or_else(|| missing(id_or_name))?;
        Ok((found.info.clone(), found.lease.clone()))
    }

    /// Forgets a VM. It is gone when what runs in it has been dropped.
    pub(crate) fn remove(&self, id_or_name: &str) -> Result<LeaseId, VmError> {
        let id = self.id_of(id_or_name)?;
        let (_, entered) = self.by_id.remove(&id).ok_or_else(|| missing(id_or_name))?;
        if let Some(name) = &entered.info.name {
            self.names.remove(name);
        }
        Ok(entered.info.id)
    }

    /// Every VM, newest first.
    pub(crate) fn list(&self) -> Vec<VmInfo> {
        let entered = self.by_id.iter().map(|entry| entry.info.clone());
        let mut vms: Vec<VmInfo> = entered.collect();
        vms.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        vms
    }

    fn id_of(&self, id_or_name: &str) -> Result<String, VmError> {
        if self.by_id.contains_key(id_or_name) {
            return Ok(id_or_name.to_owned());
        }
        if let Some(Some(id)) = self.names.get(id_or_name).as_deref() {
            return Ok(id.clone());
        }
        let mut begin = self
            .by_id
            .iter()
            .filter(|entry| !id_or_name.is_empty() && entry.key().starts_with(id_or_name));
        match (begin.next(), begin.next()) {
            (Some(only), None) => Ok(only.key().clone()),
            _ => Err(missing(id_or_name)),
        }
    }
}

impl ReservedName<'_> {
    /// Enters the VM under the name.
    pub(crate) fn enter(
        mut self,
        lease: LeaseGuard,
        image: String,
        shape: Shape,
        permit: OwnedSemaphorePermit,
    ) -> VmInfo {
        let name = self.name.take();
        let id = lease.lease().id.clone();
        let info = VmInfo {
            id: id.clone(),
            name: name.clone(),
            template: lease.lease().template.clone(),
            image,
            shape,
            created_at: now(),
        };
        let entered = Entered {
            info: info.clone(),
            lease: Arc::new(lease),
            _permit: permit,
        };
        self.vms.by_id.insert(id.as_str().to_owned(), entered);
        if let Some(name) = name {
            self.vms.names.insert(name, Some(id.as_str().to_owned()));
        }
        info
    }
}

impl Drop for ReservedName<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.vms.names.remove(name);
        }
    }
}

fn missing(id_or_name: &str) -> VmError {
    VmError::NotFound(id_or_name.to_owned())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_free_again_when_its_vm_was_not_made() {
        let vms = Vms::default();
        let reserved = vms.reserve(Some("web")).unwrap();
        assert!(matches!(
            vms.reserve(Some("web")),
            Err(VmError::NameTaken(_))
        ));
        // A VM that is still being made is not there yet.
        assert!(matches!(vms.find("web"), Err(VmError::NotFound(_))));
        drop(reserved);
        assert!(vms.reserve(Some("web")).is_ok());
    }

    #[test]
    fn nothing_is_found_by_an_empty_name() {
        assert!(matches!(Vms::default().find(""), Err(VmError::NotFound(_))));
    }
}
