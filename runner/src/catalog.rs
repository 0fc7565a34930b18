//! What is there of one kind, by id and by name: VMs, or snapshots.
//!
//! ```text
//! claim (name taken, place counted) ──enter──► found by id, name, or the beginning of exactly one id ──remove──►
//!        └──dropped──► the name is free and the place too
//! ```
//!
//! Bounded by its limits: what would go beyond one is refused before anything is made for it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// How many digits behind an id's kind something can be ended by.
const DIGITS_TO_END: usize = 6;

/// Whose it is: the id of an API key; none where everybody is one.
pub(crate) type Owner = Option<String>;

/// What a catalog can hold.
pub(crate) trait Entry {
    /// Its id; it never changes.
    fn id(&self) -> &str;
    /// Whose it is; it never changes.
    fn owner(&self) -> Owner;
}

/// How many of a kind there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountLimits {
    /// On the node.
    pub total: u32,
    /// Of one API key.
    pub per_key: u32,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The node's.
    #[error("the node's limit of {0} is reached")]
    Node(u32),
    /// One key's.
    #[error("this key's limit of {0} is reached")]
    Key(u32),
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No id, name or beginning of an id.
    None,
    /// The beginning of several ids.
    Ambiguous,
    /// The beginning of an id, and too little of it to end something by.
    TooShort,
}

/// Why there is no claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoClaim {
    /// The name is taken.
    Name(String),
    /// There are too many.
    Full(Full),
}

pub(crate) struct Catalog<T> {
    limits: CountLimits,
    inner: RwLock<Inner<T>>,
}

struct Inner<T> {
    by_id: BTreeMap<String, Arc<T>>,
    /// The id behind each name; none while a claim holds it.
    names: HashMap<String, Option<String>>,
    /// Claims and entries of each owner; an owner without any is not in it.
    counts: HashMap<Owner, u32>,
}

impl<T> fmt::Debug for Catalog<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("entries", &self.read().by_id.len())
            .finish_non_exhaustive()
    }
}

/// A name and places that are taken while something is made.
#[derive(Debug)]
pub(crate) struct Claim<T> {
    catalog: Arc<Catalog<T>>,
    owner: Owner,
    names: Vec<Option<String>>,
}

/// A name that is taken for something that is there already.
#[derive(Debug)]
pub(crate) struct NewName<T> {
    catalog: Arc<Catalog<T>>,
    name: Option<String>,
}

impl<T: Entry> Catalog<T> {
    /// With what is there already, whatever the limits: they count for what is new.
    pub(crate) fn new(limits: CountLimits, entries: Vec<(Option<String>, Arc<T>)>) -> Arc<Self> {
        let mut inner = Inner {
            by_id: BTreeMap::new(),
            names: HashMap::new(),
            counts: HashMap::new(),
        };
        for (name, entry) in entries {
            let id = entry.id().to_owned();
            if let Some(name) = name {
                inner.names.insert(name, Some(id.clone()));
            }
            *inner.counts.entry(entry.owner()).or_default() += 1;
            inner.by_id.insert(id, entry);
        }
        Arc::new(Self {
            limits,
            inner: RwLock::new(inner),
        })
    }

    /// Takes a place for each name, and the names.
    pub(crate) fn claim(
        self: &Arc<Self>,
        owner: Owner,
        names: Vec<Option<String>>,
    ) -> Result<Claim<T>, NoClaim> {
        let wanted = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let mut inner = self.write();
        let total: u32 = inner.counts.values().sum();
        let own = inner.counts.get(&owner).copied().unwrap_or(0);
        if total.saturating_add(wanted) > self.limits.total {
            return Err(NoClaim::Full(Full::Node(self.limits.total)));
        }
        if owner.is_some() && own.saturating_add(wanted) > self.limits.per_key {
            return Err(NoClaim::Full(Full::Key(self.limits.per_key)));
        }
        let mut claim = Claim {
            catalog: Arc::clone(self),
            owner: owner.clone(),
            names: Vec::with_capacity(names.len()),
        };
        for name in names {
            if let Some(name) = &name
                && !inner.take_name(name)
            {
                let name = name.clone();
                // Its drop gives back what it has taken so far.
                drop(inner);
                drop(claim);
                return Err(NoClaim::Name(name));
            }
            *inner.counts.entry(owner.clone()).or_default() += 1;
            claim.names.push(name);
        }
        Ok(claim)
    }

    /// Takes a name for something that is there.
    pub(crate) fn claim_name(self: &Arc<Self>, name: String) -> Result<NewName<T>, NoClaim> {
        if !self.write().take_name(&name) {
            return Err(NoClaim::Name(name));
        }
        Ok(NewName {
            catalog: Arc::clone(self),
            name: Some(name),
        })
    }

    /// Finds by id, name, or the beginning of exactly one id.
    pub(crate) fn find(&self, text: &str) -> Result<Arc<T>, Missing> {
        let inner = self.read();
        if let Some(found) = inner.by_id.get(text) {
            return Ok(Arc::clone(found));
        }
        if let Some(Some(id)) = inner.names.get(text) {
            return inner.by_id.get(id).cloned().ok_or(Missing::None);
        }
        if text.is_empty() {
            return Err(Missing::None);
        }
        let mut begin = inner
            .by_id
            .range(text.to_owned()..)
            .take_while(|(id, _)| id.starts_with(text));
        match (begin.next(), begin.next()) {
            (Some((_, only)), None) => Ok(Arc::clone(only)),
            (Some(_), Some(_)) => Err(Missing::Ambiguous),
            (None, _) => Err(Missing::None),
        }
    }

    /// Finds what is to be stopped or removed: by id, name, or a beginning with enough of exactly one id. When a request
    /// is sent again after it was done, its text must not happen to fit another.
    pub(crate) fn find_to_end(&self, text: &str) -> Result<Arc<T>, Missing> {
        let found = self.find(text)?;
        let digits = text.split_once('-').map_or("", |(_, digits)| digits);
        let is_named = self.read().names.contains_key(text);
        if found.id() == text || is_named || digits.len() >= DIGITS_TO_END {
            Ok(found)
        } else {
            Err(Missing::TooShort)
        }
    }

    /// The one that has exactly this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<T>> {
        self.read().by_id.get(id).cloned()
    }

    /// Everything, in the order of ids.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.read().by_id.values().cloned().collect()
    }

    /// How many are there, without claims.
    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Forgets one, its name with it.
    pub(crate) fn remove(&self, id: &str, name: Option<&str>) {
        let mut inner = self.write();
        let Some(entry) = inner.by_id.remove(id) else {
            return;
        };
        if let Some(name) = name {
            inner.names.remove(name);
        }
        inner.give_back(&entry.owner());
    }
}

impl<T> Catalog<T> {
    fn read(&self) -> RwLockReadGuard<'_, Inner<T>> {
        // Nothing between two updates of one change can panic.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<T>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    /// A name must not hide behind an id: ids are looked up first.
    fn take_name(&mut self, name: &str) -> bool {
        if self.names.contains_key(name) || self.by_id.contains_key(name) {
            return false;
        }
        self.names.insert(name.to_owned(), None);
        true
    }

    fn give_back(&mut self, owner: &Owner) {
        if let Some(count) = self.counts.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(owner);
            }
        }
    }
}

impl<T: Entry> Claim<T> {
    /// Enters what was made, one for each name that was claimed and in that order.
    pub(crate) fn enter(mut self, entries: Vec<Arc<T>>) {
        let mut inner = self.catalog.write();
        for (name, entry) in std::mem::take(&mut self.names).into_iter().zip(entries) {
            let id = entry.id().to_owned();
            if let Some(name) = name {
                inner.names.insert(name, Some(id.clone()));
            }
            inner.by_id.insert(id, entry);
        }
    }

    /// Enters what was made in place of what has this id, whose name it gets.
    pub(crate) fn enter_in_place_of(mut self, entry: Arc<T>, old: &str, name: &str) {
        let mut inner = self.catalog.write();
        // The place is the entry's now.
        self.names.clear();
        if let Some(old) = inner.by_id.remove(old) {
            inner.give_back(&old.owner());
        }
        let id = entry.id().to_owned();
        inner.names.insert(name.to_owned(), Some(id.clone()));
        inner.by_id.insert(id, entry);
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        let mut inner = self.catalog.write();
        for name in std::mem::take(&mut self.names) {
            if let Some(name) = name {
                inner.names.remove(&name);
            }
            inner.give_back(&self.owner);
        }
    }
}

impl<T: Entry> NewName<T> {
    /// Gives the name to what has this id, and takes its old one away.
    pub(crate) fn give(mut self, id: &str, old: Option<&str>) {
        let mut inner = self.catalog.write();
        if let Some(old) = old {
            inner.names.remove(old);
        }
        if let Some(name) = self.name.take() {
            inner.names.insert(name, Some(id.to_owned()));
        }
    }
}

impl<T> Drop for NewName<T> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.catalog.write().names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Thing(&'static str, Option<&'static str>);

    impl Entry for Thing {
        fn id(&self) -> &str {
            self.0
        }

        fn owner(&self) -> Owner {
            self.1.map(str::to_owned)
        }
    }

    fn catalog(total: u32, per_key: u32) -> Arc<Catalog<Thing>> {
        Catalog::new(CountLimits { total, per_key }, Vec::new())
    }

    fn name(text: &str) -> Vec<Option<String>> {
        vec![Some(text.to_owned())]
    }

    fn enter(catalog: &Arc<Catalog<Thing>>, thing: Thing, called: &str) {
        let claim = catalog.claim(thing.owner(), name(called)).unwrap();
        claim.enter(vec![Arc::new(thing)]);
    }

    #[test]
    fn a_name_is_taken_while_something_is_made_and_free_when_it_was_not() {
        let catalog = catalog(9, 9);
        let claim = catalog.claim(None, name("web")).unwrap();
        assert_eq!(
            catalog.claim(None, name("web")).unwrap_err(),
            NoClaim::Name("web".to_owned())
        );
        // What is still being made is not there yet.
        assert_eq!(catalog.find("web"), Err(Missing::None));
        drop(claim);
        assert!(catalog.claim(None, name("web")).is_ok());
    }

    #[test]
    fn a_claim_of_several_takes_all_or_nothing() {
        let catalog = catalog(3, 9);
        enter(&catalog, Thing("vm-1", None), "b");
        let names = ["a", "b"].map(|name| Some(name.to_owned())).to_vec();
        assert!(catalog.claim(None, names).is_err());
        let claim = catalog
            .claim(None, vec![Some("a".to_owned()), None])
            .unwrap();
        assert_eq!(
            catalog.claim(None, vec![None]).unwrap_err(),
            NoClaim::Full(Full::Node(3))
        );
        drop(claim);
        assert!(catalog.claim(None, vec![None, None]).is_ok());
    }

    #[test]
    fn a_key_has_a_limit_of_its_own_and_gets_its_places_back() {
        let catalog = catalog(9, 1);
        enter(&catalog, Thing("vm-1", Some("k")), "one");
        let owner = Some("k".to_owned());
        assert_eq!(
            catalog.claim(owner.clone(), vec![None]).unwrap_err(),
            NoClaim::Full(Full::Key(1))
        );
        assert!(catalog.claim(Some("other".to_owned()), vec![None]).is_ok());
        catalog.remove("vm-1", Some("one"));
        assert!(catalog.claim(owner, name("one")).is_ok());
    }

    #[test]
    fn an_id_comes_before_a_name_and_a_beginning_must_be_of_one_only() {
        let catalog = catalog(9, 9);
        enter(&catalog, Thing("vm-12", None), "web");
        enter(&catalog, Thing("vm-13", None), "vm-1");
        assert_eq!(catalog.find("vm-12").unwrap().0, "vm-12");
        assert_eq!(catalog.find("web").unwrap().0, "vm-12");
        assert_eq!(catalog.find("vm-1").unwrap().0, "vm-13");
        assert_eq!(catalog.find("vm-"), Err(Missing::Ambiguous));
        assert_eq!(catalog.find("x"), Err(Missing::None));
        assert_eq!(catalog.find(""), Err(Missing::None));
        assert!(catalog.claim(None, name("vm-12")).is_err());
    }

    #[test]
    fn what_is_ended_is_called_by_its_id_its_name_or_enough_of_its_id() {
        let catalog = catalog(9, 9);
        enter(&catalog, Thing("vm-0123456789ab", None), "v");
        for text in ["vm-0123456789ab", "v", "vm-012345"] {
            assert_eq!(catalog.find_to_end(text).unwrap().0, "vm-0123456789ab");
        }
        for text in ["vm", "vm-", "vm-01234"] {
            assert_eq!(catalog.find(text).unwrap().0, "vm-0123456789ab");
            assert_eq!(catalog.find_to_end(text), Err(Missing::TooShort));
        }
        assert_eq!(catalog.find_to_end("vm-1"), Err(Missing::None));
    }

    #[test]
    fn what_takes_the_place_of_another_gets_its_name_and_gives_its_place_back() {
        let catalog = catalog(2, 9);
        enter(&catalog, Thing("s-1", Some("k")), "web");
        let claim = catalog.claim(None, vec![None]).unwrap();
        claim.enter_in_place_of(Arc::new(Thing("s-2", None)), "s-1", "web");
        assert_eq!(catalog.find("web").unwrap().0, "s-2");
        assert_eq!(catalog.find("s-1"), Err(Missing::None));
        assert_eq!(catalog.len(), 1);
        assert!(catalog.claim(None, vec![None]).is_ok());
        assert!(catalog.claim(None, vec![None, None]).is_err());
    }

    #[test]
    fn a_new_name_is_given_with_the_old_one_freed_or_not_at_all() {
        let catalog = catalog(9, 9);
        enter(&catalog, Thing("vm-1", None), "old");
        drop(catalog.claim_name("new".to_owned()).unwrap());
        assert_eq!(catalog.find("new"), Err(Missing::None));
        let new = catalog.claim_name("new".to_owned()).unwrap();
        assert!(catalog.claim_name("new".to_owned()).is_err());
        new.give("vm-1", Some("old"));
        assert_eq!(catalog.find("new").unwrap().0, "vm-1");
        assert_eq!(catalog.find("old"), Err(Missing::None));
        assert!(catalog.claim(None, name("old")).is_ok());
    }
}
