//! Finding VMs: one by id, name or the beginning of its id; many by filters, page by page.

use std::{fmt, str::FromStr, sync::Arc};

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Vm, VmInfo, VmStatus};
use crate::{Runner, VmError, catalog::Missing};

/// Which VMs are wanted; what is absent does not count.
#[derive(Debug, Clone, Default)]
pub struct VmFilter {
    /// What it does.
    pub state: Option<VmStateKind>,
    /// Its name, exactly.
    pub name: Option<String>,
    /// Its image: as it was asked for, or the digest.
    pub image: Option<String>,
    /// Every key is in its metadata with an equal value.
    pub metadata: Map<String, Value>,
}

/// A state without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmStateKind {
    /// See [`VmStatus::Running`].
    Running,
    /// See [`VmStatus::Paused`].
    Paused,
    /// See [`VmStatus::Stopped`].
    Stopped,
}

impl VmStatus {
    /// The state without its details.
    pub fn kind(&self) -> VmStateKind {
        match self {
            Self::Running => VmStateKind::Running,
            Self::Paused(_) => VmStateKind::Paused,
            Self::Stopped { .. } => VmStateKind::Stopped,
        }
    }
}

impl VmFilter {
    fn wants(&self, vm: &VmInfo) -> bool {
        let image = |wanted: &String| vm.image == *wanted || vm.image_name.as_ref() == Some(wanted);
        self.state.is_none_or(|state| vm.state.kind() == state)
            && (self.name.is_none() || self.name == vm.name)
            && self.image.as_ref().is_none_or(image)
            && vm.metadata.contains(&self.metadata)
    }
}

/// A place in a list that is ordered newest first: behind what has this time and id. What is made or deleted
/// meanwhile moves nothing else from one page to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    created_at_ms: u64,
    id: String,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it is not a cursor of an earlier page")]
pub struct BadCursor;

impl Cursor {
    pub(crate) fn new(created_at_ms: u64, id: &str) -> Self {
        Self {
            created_at_ms,
            id: id.to_owned(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (time, id) = text.split_once('.').ok_or(BadCursor)?;
        if id.is_empty() || id.len() > 63 {
            return Err(BadCursor);
        }
        Ok(Self::new(time.parse().map_err(|_| BadCursor)?, id))
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The part.
    pub items: Vec<T>,
    /// Where the next part begins; none when this is the last.
    pub next: Option<Cursor>,
}

/// Cuts the page behind the cursor out of a list that is in no order.
pub(crate) fn page<T>(
    mut list: Vec<T>,
    at: impl Fn(&T) -> Cursor,
    after: Option<&Cursor>,
    limit: usize,
) -> Page<T> {
    list.retain(|item| after.is_none_or(|after| at(item) < *after));
    list.sort_by_cached_key(|item| std::cmp::Reverse(at(item)));
    let more = list.len() > limit;
    list.truncate(limit);
    Page {
        next: list.last().filter(|_| more).map(at),
        items: list,
    }
}

impl Runner {
    /// Finds a VM by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// [`VmError::NotFound`] and [`VmError::Ambiguous`].
    pub fn vm(&self, id_or_name: &str) -> Result<VmInfo, VmError> {
        Ok(self.find_vm(id_or_name)?.info())
    }

    /// The VMs that a filter wants, newest first: at most `limit`, behind `after`.
    pub fn vms(&self, filter: &VmFilter, after: Option<&Cursor>, limit: usize) -> Page<VmInfo> {
        let mut vms: Vec<VmInfo> = self.catalog().all().iter().map(|vm| vm.info()).collect();
        vms.retain(|vm| filter.wants(vm));
        let at = |vm: &VmInfo| Cursor::new(vm.created_at_ms, vm.id.as_str());
        page(vms, at, after, limit)
    }

    /// How many VMs there are.
    pub fn vm_count(&self) -> usize {
        self.catalog().len()
    }

    pub(crate) fn find_vm(&self, id_or_name: &str) -> Result<Arc<Vm>, VmError> {
        let found = self.catalog().find(id_or_name);
        found.map_err(|missing| not_found(missing, id_or_name))
    }

    /// One that is to be stopped or deleted.
    pub(crate) fn find_vm_to_end(&self, id_or_name: &str) -> Result<Arc<Vm>, VmError> {
        let found = self.catalog().find_to_end(id_or_name);
        found.map_err(|missing| not_found(missing, id_or_name))
    }
}

fn not_found(missing: Missing, asked: &str) -> VmError {
    let asked = asked.to_owned();
    match missing {
        Missing::None => VmError::NotFound(asked),
        Missing::Ambiguous => VmError::Ambiguous(asked),
        Missing::TooShort => VmError::TooShort(asked),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        let cursor = Cursor::new(1_700_000_000_123, "vm-0123");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in [
            "",
            ".",
            "1.",
            "x.vm-1",
            "-1.vm-1",
            "99999999999999999999.vm-1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn pages_joined_are_the_whole_list_newest_first(
            times in prop::collection::vec(0u64..5, 0..20),
            limit in 1usize..6,
        ) {
            let list: Vec<Cursor> = times.iter().enumerate().map(|(i, time)| Cursor::new(*time, &format!("vm-{i}"))).collect();
            let mut expected = list.clone();
            expected.sort();
            expected.reverse();
            let (mut joined, mut after) = (Vec::new(), None);
            loop {
                let page = page(list.clone(), Clone::clone, after.as_ref(), limit);
                prop_assert!(page.items.len() <= limit);
                joined.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(joined, expected);
        }
    }
}
