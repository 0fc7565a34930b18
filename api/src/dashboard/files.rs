//! The files of a dashboard.

/// The files of a dashboard that was built, by their paths below `/dashboard/`; none of them where none was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dashboard(&'static [(&'static str, &'static [u8])]);

impl Dashboard {
    /// Paths such as `index.html`, which has to be among them, and what each file holds.
    pub const fn new(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self(files)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(self, path: &str) -> Option<&'static [u8]> {
        let (_, bytes) = self.0.iter().find(|(name, _)| *name == path)?;
        Some(bytes)
    }
}
