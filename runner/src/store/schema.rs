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
    // 2: functions. Rows that belong to a function go with it; foreign keys are on in SQLite as it is built here.
    "CREATE TABLE functions (
        name TEXT PRIMARY KEY,
        created_at_ms INTEGER NOT NULL,
        next_version INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE function_versions (
        function TEXT NOT NULL REFERENCES functions (name) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        spec TEXT NOT NULL,
        code_digest TEXT NOT NULL,
        code_bytes INTEGER NOT NULL,
        template TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        PRIMARY KEY (function, number)
    ) STRICT;
    CREATE TABLE function_aliases (
        function TEXT NOT NULL REFERENCES functions (name) ON DELETE CASCADE,
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        PRIMARY KEY (function, name)
    ) STRICT;
    CREATE TABLE function_events (
        id TEXT PRIMARY KEY,
        function TEXT NOT NULL REFERENCES functions (name) ON DELETE CASCADE,
        qualifier TEXT,
        key TEXT NOT NULL,
        content_type TEXT,
        event BLOB NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        due_at_ms INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        error TEXT,
        result BLOB,
        result_type TEXT
    ) STRICT;
    CREATE INDEX function_events_due ON function_events (state, due_at_ms);
    CREATE INDEX function_events_of ON function_events (function, state);",
    // 3: what clients of AWS say of themselves.
    "ALTER TABLE function_events ADD COLUMN client_context TEXT;",
    // 4: an event's id is its function's own matter, and its row has a number that is never used twice.
    "CREATE TABLE events_4 (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        function TEXT NOT NULL REFERENCES functions (name) ON DELETE CASCADE,
        qualifier TEXT,
        key TEXT NOT NULL,
        content_type TEXT,
        event BLOB NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        due_at_ms INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        error TEXT,
        result BLOB,
        result_type TEXT,
        client_context TEXT,
        UNIQUE (function, id)
    ) STRICT;
    INSERT INTO events_4 (id, function, qualifier, key, content_type, event, state, attempts, due_at_ms,
        created_at_ms, ended_at_ms, error, result, result_type, client_context)
      SELECT id, function, qualifier, key, content_type, event, state, attempts, due_at_ms,
        created_at_ms, ended_at_ms, error, result, result_type, client_context
      FROM function_events ORDER BY created_at_ms;
    DROP TABLE function_events;
    ALTER TABLE events_4 RENAME TO function_events;
    CREATE INDEX function_events_due ON function_events (state, due_at_ms);
    CREATE INDEX function_events_of ON function_events (state, function, key, due_at_ms);",
    // 5: the image itself, whose name may be given to another one. Empty: from before, and not known.
    "ALTER TABLE function_versions ADD COLUMN image_digest TEXT NOT NULL DEFAULT '';",
    // 6: the sizes of events, so that they are listed and counted without being read.
    "ALTER TABLE function_events ADD COLUMN event_bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE function_events SET event_bytes = length(event);
    CREATE INDEX function_events_bytes ON function_events (function, state, event_bytes);",
];
