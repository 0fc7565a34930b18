//! How large an image may grow.

/// Bounds of one image. What exceeds one is refused by name; nothing half-made stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that may be downloaded or unpacked, all layers together. Default 64 GiB.
    pub max_root_bytes: u64,
    /// Most tar entries, all layers together. Default 4 million.
    pub max_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_root_bytes: 64 << 30,
            max_entries: 4_000_000,
        }
    }
}
