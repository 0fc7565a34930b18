//! The loud end.

use std::fmt::Write as _;

use crate::message::Text;

/// Says why, with the last error of the C library, and ends the process.
pub(super) fn fail(what: &str) -> ! {
    let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let mut text = Text::new();
    // A message that is cut is still a message, and the end must come.
    let _cut = writeln!(text, "thaw-lazymem-shim: could not {what} (error {error})").is_err();
    let bytes = text.as_bytes();
    // SAFETY: the pointer and the length are those of a slice; _exit runs nothing of the VMM's.
    unsafe {
        libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(125)
    }
}
