//! The tables, and how an older file becomes a newer one.

/// Each entry takes the file one version further; the version is how many were applied. Entries are never
/// changed, only added.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1: VMs and snapshots.
    "CREATE TABLE vms (
        id TEXT PRIMARY KEY,
        name TEXT UNIQUE,
        template TEXT NOT NULL,
        image TEXT NOT NULL,
        image_name TEXT,
        snapshot TEXT,
        vcpus INTEGER NOT NULL,
        memory_mib INTEGER NOT NULL,
        disk_bytes INTEGER NOT NULL,
        env TEXT NOT NULL,
        metadata TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        idle_timeout_ms INTEGER,
        max_lifetime_ms INTEGER,
        owner TEXT,
        network_wanted INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT
    ) STRICT;
    CREATE TABLE snapshots (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        vm TEXT NOT NULL,
        vm_name TEXT,
        template TEXT NOT NULL,
        image TEXT NOT NULL,
        image_name TEXT,
        vcpus INTEGER NOT NULL,
        memory_mib INTEGER NOT NULL,
        env TEXT NOT NULL,
        metadata TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        owner TEXT,
        memory_bytes INTEGER NOT NULL,
        disk_bytes INTEGER NOT NULL,
        paused_us INTEGER NOT NULL,
        total_us INTEGER NOT NULL
    ) STRICT;",
];
