//! Preloaded into a VMM: maps template memory privately and registers it with userfaultfd.
