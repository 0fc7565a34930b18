//! The pages that a restore touches, and when to learn them anew.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::extent::{Extent, PAGE_BYTES, append};

/// The pages that restores of a template touch, as ranges in order of first touch.
///
/// Serialised as `{"version": 1, "pages": [[first, count], …]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct WorkingSet {
    extents: Vec<Extent>,
}

/// The form on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    /// First page and number of pages.
    pages: Vec<(u64, u64)>,
}

/// A stored working set that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWorkingSet {
    /// Written by a version that this one does not know.
    #[error("the working set has version {0}, and this program reads {VERSION}")]
    Version(u32),
    /// A range without pages, or one that no memory has.
    #[error("the working set has a bad range: {1} pages from page {0}")]
    Range(u64, u64),
}

const VERSION: u32 = 1;
/// As much as the longest memory has: 1 TiB.
const MAX_PAGES: u64 = 1 << 28;

impl WorkingSet {
    /// From page numbers in order of first touch; a page that comes again counts once.
    pub fn from_pages(pages: impl IntoIterator<Item = u64>) -> Self {
        let mut seen = HashSet::new();
        let mut extents = Vec::new();
        for page in pages {
            if seen.insert(page) {
                append(&mut extents, page_extent(page));
            }
        }
        Self { extents }
    }

    /// The pages that every recording has, in the order of the first one. Nothing for no recordings.
    pub fn common(recordings: &[Self]) -> Self {
        let Some((first, rest)) = recordings.split_first() else {
            return Self::from_pages([]);
        };
        let rest: Vec<HashSet<u64>> = rest.iter().map(|set| set.pages().collect()).collect();
        let everywhere = |page: &u64| rest.iter().all(|pages| pages.contains(page));
        Self::from_pages(first.pages().filter(everywhere))
    }

    /// The ranges in order of first touch; apart, but not sorted by offset.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The pages, in order of first touch.
    pub fn pages(&self) -> impl Iterator<Item = u64> {
        self.extents
            .iter()
            .flat_map(|extent| extent.offset / PAGE_BYTES..extent.end() / PAGE_BYTES)
    }

    /// How many pages it has.
    pub fn page_count(&self) -> u64 {
        self.extents.iter().map(|extent| extent.len).sum::<u64>() / PAGE_BYTES
    }

    /// The same ranges by offset, joined where they touch.
    pub(crate) fn sorted(&self) -> Vec<Extent> {
        let mut sorted = self.extents.clone();
        sorted.sort_unstable();
        let mut joined = Vec::with_capacity(sorted.len());
        for extent in sorted {
            append(&mut joined, extent);
        }
        joined
    }
}

fn page_extent(page: u64) -> Extent {
    Extent {
        offset: page * PAGE_BYTES,
        len: PAGE_BYTES,
    }
}

impl TryFrom<Stored> for WorkingSet {
    type Error = BadWorkingSet;

    fn try_from(stored: Stored) -> Result<Self, BadWorkingSet> {
        if stored.version != VERSION {
            return Err(BadWorkingSet::Version(stored.version));
        }
        let mut total = 0_u64;
        for (first, count) in &stored.pages {
            total = total.saturating_add(*count);
            let fits = *count > 0
                && total <= MAX_PAGES
                && first
                    .checked_add(*count)
                    .is_some_and(|end| end <= MAX_PAGES);
            if !fits {
                return Err(BadWorkingSet::Range(*first, *count));
            }
        }
        let pages = stored
            .pages
            .iter()
            .flat_map(|(first, count)| *first..first + count);
        Ok(Self::from_pages(pages))
    }
}

impl From<WorkingSet> for Stored {
    fn from(set: WorkingSet) -> Self {
        let pages = set.extents.iter();
        Self {
            version: VERSION,
            pages: pages
                .map(|extent| (extent.offset / PAGE_BYTES, extent.len / PAGE_BYTES))
                .collect(),
        }
    }
}

/// Says when a working set no longer fits what restores touch. Pure; one for each template.
///
/// A restore's pages are those of its working set, which were mapped before it could fault on them,
/// and those on which it did fault. The set is stale when over the last 20 restores more than a
/// quarter of them fell outside the set.
#[derive(Debug, Clone, Default)]
pub struct Staleness {
    restores: u32,
    inside: u64,
    outside: u64,
}

impl Staleness {
    /// How many restores are judged together.
    pub const RESTORES: u32 = 20;

    /// Takes the numbers of one restore; true when the working set should be recorded again. The
    /// count then begins anew, as it does after 20 restores that were well served.
    pub fn restored(&mut self, working_set_pages: u64, faults_outside: u64) -> bool {
        self.restores += 1;
        self.inside = self.inside.saturating_add(working_set_pages);
        self.outside = self.outside.saturating_add(faults_outside);
        if self.restores < Self::RESTORES {
            return false;
        }
        let stale = self.outside > self.inside.saturating_add(self.outside) / 4;
        *self = Self::default();
        stale
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_keep_the_order_of_their_first_touch() {
        let set = WorkingSet::from_pages([7, 8, 3, 7, 4, 9]);
        assert_eq!(set.pages().collect::<Vec<_>>(), [7, 8, 3, 4, 9]);
        assert_eq!(set.extents().len(), 3);
        assert_eq!(set.page_count(), 5);
        assert_eq!(set.sorted().len(), 2);
    }

    #[test]
    fn what_only_one_trial_touched_is_left_out() {
        let one = WorkingSet::from_pages([5, 1, 2, 3]);
        let two = WorkingSet::from_pages([3, 9, 5, 2]);
        let common = WorkingSet::common(&[one, two]);
        assert_eq!(common.pages().collect::<Vec<_>>(), [5, 2, 3]);
        assert_eq!(WorkingSet::common(&[]).page_count(), 0);
    }

    #[test]
    fn the_stored_form_does_not_change() {
        let set = WorkingSet::from_pages([7, 8, 3]);
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"{"version":1,"pages":[[7,2],[3,1]]}"#);
        assert_eq!(serde_json::from_str::<WorkingSet>(&text).unwrap(), set);
    }

    #[test]
    fn a_stored_set_of_another_version_or_with_impossible_ranges_is_refused() {
        for bad in [
            r#"{"version":2,"pages":[]}"#,
            r#"{"version":1,"pages":[[1,0]]}"#,
            r#"{"version":1,"pages":[[18446744073709551615,2]]}"#,
            r#"{"version":1,"pages":[[0,268435456],[0,1]]}"#,
            r#"{"version":1,"pages":[],"more":1}"#,
        ] {
            assert!(serde_json::from_str::<WorkingSet>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn twenty_restores_that_fault_on_more_than_a_quarter_ask_for_a_new_recording() {
        let mut rule = Staleness::default();
        for _ in 0..19 {
            assert!(!rule.restored(300, 101));
        }
        assert!(rule.restored(300, 101));
        assert!(!rule.restored(300, 101), "the count begins anew");
    }

    #[test]
    fn a_quarter_exactly_is_not_stale_and_one_bad_restore_is_not_either() {
        let mut rule = Staleness::default();
        assert!((0..20).all(|_| !rule.restored(300, 100)));
        let mut rule = Staleness::default();
        assert!((0..20).all(|n| !rule.restored(300, if n == 3 { 1500 } else { 10 })));
    }

    proptest! {
        #[test]
        fn any_order_of_pages_survives_storage(pages in proptest::collection::vec(0_u64..500, 0..300)) {
            let set = WorkingSet::from_pages(pages.clone());
            let stored = serde_json::to_vec(&set).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<WorkingSet>(&stored).unwrap(), &set);
            let mut first_touch = Vec::new();
            for page in pages {
                if !first_touch.contains(&page) { first_touch.push(page); }
            }
            prop_assert_eq!(set.pages().collect::<Vec<_>>(), first_touch.clone());
            first_touch.sort_unstable();
            let sorted: Vec<u64> = set.sorted().iter()
                .flat_map(|e| e.offset / PAGE_BYTES..e.end() / PAGE_BYTES).collect();
            prop_assert_eq!(sorted, first_touch);
        }

        #[test]
        fn what_is_common_is_in_all_of_them(
            a in proptest::collection::hash_set(0_u64..60, 0..50),
            b in proptest::collection::hash_set(0_u64..60, 0..50),
        ) {
            let sets = [WorkingSet::from_pages(a.iter().copied()), WorkingSet::from_pages(b.iter().copied())];
            let common: HashSet<u64> = WorkingSet::common(&sets).pages().collect();
            prop_assert_eq!(common, a.intersection(&b).copied().collect());
        }
    }
}
