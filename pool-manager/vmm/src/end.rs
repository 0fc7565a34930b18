//! How a VMM ends, and how others learn of it.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// How a VMM process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct VmmEnd {
    /// What happened.
    pub kind: EndKind,
    /// The end of the VMM's standard error, at most 16 KiB, lossy UTF-8.
    pub stderr: String,
    /// The end of the guest's console, at most 64 KiB, lossy UTF-8.
    pub console: String,
}

/// What happened to a VMM process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// We killed it.
    Killed,
    /// It exited by itself with this code; with 0 the guest powered off or its kernel panicked.
    Exited(i32),
    /// A signal that we did not send ended it.
    Signaled(i32),
    /// It ended by itself, and how is for another process to know: this daemon had adopted it.
    Unseen,
}

impl VmmEnd {
    /// Whether the guest's kernel said on the console that it panicked.
    pub fn is_guest_panic(&self) -> bool {
        self.console.contains("Kernel panic")
    }
}

impl fmt::Display for VmmEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EndKind::Killed => f.write_str("the VMM was killed")?,
            EndKind::Exited(0) | EndKind::Unseen if self.is_guest_panic() => {
                f.write_str("the guest's kernel panicked")?;
            }
            EndKind::Exited(0) => f.write_str("the guest powered off")?,
            EndKind::Exited(code) => write!(f, "the VMM exited with code {code}")?,
            EndKind::Signaled(signal) => write!(f, "the VMM was ended by signal {signal}")?,
            EndKind::Unseen => f.write_str("the VMM ended")?,
        }
        if let Some(line) = last_line(&self.stderr) {
            write!(f, "; its last words: {line}")?;
        } else if let Some(line) = last_line(&self.console) {
            write!(f, "; the console's last line: {line}")?;
        }
        Ok(())
    }
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// Tells when and how a VMM ended; cheap to clone.
#[derive(Debug, Clone)]
pub struct EndWatch(watch::Receiver<Option<Arc<VmmEnd>>>);

/// The writing side of an [`EndWatch`].
#[derive(Debug)]
pub(crate) struct EndSender(watch::Sender<Option<Arc<VmmEnd>>>);

impl EndSender {
    pub(crate) fn new() -> (Self, EndWatch) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), EndWatch(receiver))
    }

    pub(crate) fn send(&self, end: VmmEnd) {
        self.0.send_replace(Some(Arc::new(end)));
    }
}

impl EndWatch {
    /// How it ended, if it has.
    pub fn now(&self) -> Option<Arc<VmmEnd>> {
        self.0.borrow().clone()
    }

    /// Waits for the end.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait(&mut self) -> Arc<VmmEnd> {
        match self.0.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(lost),
            Err(_) => lost(),
        }
    }
}

/// The task that owned the process is gone without a word: treat the VMM as killed.
fn lost() -> Arc<VmmEnd> {
    Arc::new(VmmEnd {
        kind: EndKind::Killed,
        stderr: String::new(),
        console: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(kind: EndKind, stderr: &str, console: &str) -> String {
        VmmEnd {
            kind,
            stderr: stderr.into(),
            console: console.into(),
        }
        .to_string()
    }

    #[test]
    fn an_end_names_the_last_words_of_the_vmm_before_those_of_the_guest() {
        assert_eq!(
            end(EndKind::Exited(1), "qemu: no\n\n", "boot\n"),
            "the VMM exited with code 1; its last words: qemu: no"
        );
        assert_eq!(
            end(EndKind::Exited(0), "", "Kernel panic - not syncing\n"),
            "the guest's kernel panicked; the console's last line: Kernel panic - not syncing"
        );
    }
}
