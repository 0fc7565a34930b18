//! The tables, and how an older file becomes a newer one.

/// Each entry takes the file one version further; the version is how many were applied. Entries are never
/// changed, only added.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: VMs that stay. One without a process is stopped.
    "CREATE TABLE vms (
        id TEXT PRIMARY KEY,
        template TEXT NOT NULL,
        image TEXT NOT NULL,
        vcpus INTEGER NOT NULL,
        memory_mib INTEGER NOT NULL,
        config TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'stopped')),
        process TEXT,
        CHECK ((state = 'stopped') = (process IS NULL))
    ) STRICT",
];
