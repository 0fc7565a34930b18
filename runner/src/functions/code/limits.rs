//! How large code may be.

/// The bounds of a function's code. The defaults are AWS Lambda's, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLimits {
    /// The archive as it is sent. Default 50 MiB.
    pub packed_bytes: u64,
    /// All of its files together. Default 250 MiB.
    pub unpacked_bytes: u64,
    /// Files, folders and links. Default 20,000.
    pub entries: usize,
}

impl Default for CodeLimits {
    fn default() -> Self {
        Self {
            packed_bytes: 50 << 20,
            unpacked_bytes: 250 << 20,
            entries: 20_000,
        }
    }
}
