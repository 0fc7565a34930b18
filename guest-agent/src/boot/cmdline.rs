//! The options that the host puts on the kernel's command line.

use thaw_guest_protocol::{ROOTFS_OPTION, TRANSPORT_OPTION};

use super::BootError;

/// How the host reaches the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportKind {
    Serial,
    Vsock,
}

/// The file system of the root disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootKind {
    Squashfs,
    Ext4,
}

/// What the host wants of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) transport: TransportKind,
    pub(crate) root: RootKind,
}

impl Options {
    /// Reads them from the text of /proc/cmdline.
    ///
    /// # Errors
    /// [`BootError::Option`].
    pub(crate) fn parse(cmdline: &str) -> Result<Self, BootError> {
        let value = |option: &str| {
            let mut words = cmdline.split_whitespace().rev();
            words.find_map(|word| word.strip_prefix(option)?.strip_prefix('='))
        };
        let transport = match value(TRANSPORT_OPTION) {
            Some("serial") => TransportKind::Serial,
            Some("vsock") => TransportKind::Vsock,
            other => return Err(unknown(TRANSPORT_OPTION, other, "serial, vsock")),
        };
        let root = match value(ROOTFS_OPTION) {
            Some("squashfs") => RootKind::Squashfs,
            Some("ext4") => RootKind::Ext4,
            other => return Err(unknown(ROOTFS_OPTION, other, "squashfs, ext4")),
        };
        Ok(Self { transport, root })
    }
}

fn unknown(option: &'static str, value: Option<&str>, known: &'static str) -> BootError {
    BootError::Option {
        option,
        value: value.map(Into::into),
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_among_the_kernels_own() {
        let options =
            Options::parse("console=ttyS0 thaw.transport=serial quiet thaw.rootfs=ext4\n").unwrap();
        assert_eq!(options.transport, TransportKind::Serial);
        assert_eq!(options.root, RootKind::Ext4);
    }

    #[test]
    fn a_missing_or_unknown_value_is_an_error_that_names_the_option() {
        let error = Options::parse("thaw.transport=pigeon").unwrap_err();
        assert!(error.to_string().contains("thaw.transport"));
        let error = Options::parse("thaw.transport=vsock").unwrap_err();
        assert!(error.to_string().contains("thaw.rootfs"));
    }
}
