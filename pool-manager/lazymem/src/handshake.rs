//! How a VMM hands over its userfaultfd: Firecracker's message, one JSON list of regions with the
//! descriptor beside it (SCM_RIGHTS).
//!
//! Source: Firecracker's `docs/snapshotting/handling-page-faults-on-snapshot-resume.md`.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    extent::PAGE_BYTES,
    sys::{self, Userfault},
};

/// One range of a VMM's address space that holds guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Where it starts in the VMM.
    pub base_host_virt_addr: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Where it starts in the guest's memory, in bytes.
    pub offset: u64,
    /// Bytes in a page. Older Firecrackers send only the name below.
    #[serde(default)]
    pub page_size: u64,
    /// The same number of bytes again, whatever its name says; kept for older readers.
    #[serde(default)]
    pub page_size_kib: u64,
}

/// A VMM that waits to be served: its userfaultfd and the regions that are registered with it.
#[derive(Debug)]
pub struct Arrival {
    pub(crate) uffd: Userfault,
    pub(crate) regions: Vec<Region>,
}

/// A VMM that could not be taken on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The socket or the descriptor could not be used.
    #[error("could not {attempt} of a VMM's userfaultfd")]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The VMM closed the socket before it had said everything; its last words are on its stderr.
    #[error("the VMM hung up before it handed over its userfaultfd")]
    HungUp,
    /// The message is not a list of regions.
    #[error("the VMM's list of regions can't be read")]
    Syntax(#[source] serde_json::Error),
    /// The message is longer than any list of regions.
    #[error("the VMM's list of regions is longer than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// There must be exactly one descriptor.
    #[error("the VMM sent {0} descriptors instead of one")]
    Descriptors(usize),
    /// A region that no guest memory can have.
    #[error("the VMM's region at {base:#x} is not possible: {why}")]
    Region {
        /// Where it starts.
        base: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The longest message that is read. A region takes about 150 bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// The most regions of one VMM; Firecracker has two.
const MAX_REGIONS: usize = 16;

impl Arrival {
    /// Waits for a VMM's message, at most `timeout` for each part of it. Blocks.
    ///
    /// # Errors
    /// When the VMM says nothing in time, hangs up, or says what can't be true.
    pub fn receive(stream: &UnixStream, timeout: Duration) -> Result<Self, HandshakeError> {
        let io = |attempt| move |source| HandshakeError::Io { attempt, source };
        stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(timeout)))
            .map_err(io("set the deadline"))?;
        let mut message = vec![0; MAX_MESSAGE_BYTES];
        let mut len = 0;
        let mut descriptors = Vec::new();
        let regions = loop {
            if len == message.len() {
                return Err(HandshakeError::TooLong);
            }
            let (received, mut more) =
                sys::receive(stream, &mut message[len..]).map_err(io("wait for the message"))?;
            if received == 0 {
                return Err(HandshakeError::HungUp);
            }
            len += received;
            descriptors.append(&mut more);
            match serde_json::from_slice::<Vec<Region>>(&message[..len]) {
                Ok(regions) => break regions,
                Err(error) if error.is_eof() => {}
                Err(error) => return Err(HandshakeError::Syntax(error)),
            }
        };
        let count = descriptors.len();
        match (descriptors.pop(), count) {
            (Some(uffd), 1) => Self::new(uffd, regions),
            _ => Err(HandshakeError::Descriptors(count)),
        }
    }

    /// Fetches the userfaultfd of a VMM whose page server was lost together with its process. The
    /// VMM keeps a descriptor open for this; `regions` are what it once sent.
    ///
    /// Takes the right to trace the VMM: CAP_SYS_PTRACE or its uid.
    ///
    /// # Errors
    /// When the process is gone, may not be traced, or has no userfaultfd.
    pub fn recover(pid: i32, regions: Vec<Region>) -> Result<Self, HandshakeError> {
        let io = |attempt| move |source| HandshakeError::Io { attempt, source };
        let process = sys::pidfd_open(pid).map_err(io("find the process"))?;
        let number = userfaultfd_of(pid).map_err(io("find the number"))?;
        let uffd = sys::pidfd_getfd(&process, number).map_err(io("take a copy"))?;
        Self::new(uffd, regions)
    }

    /// The regions, to be stored by who wants to [`recover`](Self::recover) later.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    fn new(uffd: OwnedFd, mut regions: Vec<Region>) -> Result<Self, HandshakeError> {
        check(&mut regions)?;
        let uffd = Userfault::new(uffd).map_err(|source| HandshakeError::Io {
            attempt: "use the descriptor",
            source,
        })?;
        Ok(Self { uffd, regions })
    }
}

/// The number of a process's first userfaultfd.
fn userfaultfd_of(pid: i32) -> io::Result<i32> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // A descriptor may be closed while the list is read.
        let Ok(target) = std::fs::read_link(entry.path()) else {
            continue;
        };
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let (true, Some(number)) = (target.as_os_str() == "anon_inode:[userfaultfd]", number) {
            return Ok(number);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the process has no userfaultfd",
    ))
}

/// Sorts the regions by address and refuses what can't be guest memory.
fn check(regions: &mut [Region]) -> Result<(), HandshakeError> {
    let refuse = |base, why| Err(HandshakeError::Region { base, why });
    if regions.is_empty() || regions.len() > MAX_REGIONS {
        return refuse(0, "there must be 1 to 16 of them");
    }
    regions.sort_unstable_by_key(|region| region.base_host_virt_addr);
    let mut free_from = 0;
    for region in regions {
        let base = region.base_host_virt_addr;
        let page = region.page_size.max(region.page_size_kib);
        let aligned = [base, region.size, region.offset]
            .iter()
            .all(|number| number.is_multiple_of(PAGE_BYTES));
        let (Some(end), Some(_)) = (
            base.checked_add(region.size),
            region.offset.checked_add(region.size),
        ) else {
            return refuse(base, "it wraps around");
        };
        if page != PAGE_BYTES {
            return refuse(base, "its pages are not 4096 bytes");
        }
        if !aligned || region.size == 0 {
            return refuse(base, "it is not made of whole pages");
        }
        if base < free_from {
            return refuse(base, "it overlaps another");
        }
        free_from = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn region(base: u64, size: u64, offset: u64) -> Region {
        Region {
            base_host_virt_addr: base,
            size,
            offset,
            page_size: 4096,
            page_size_kib: 4096,
        }
    }

    #[test]
    fn regions_that_no_guest_can_have_are_refused() {
        for bad in [
            vec![],
            vec![region(0x1000, 0, 0)],
            vec![region(0x1001, 0x1000, 0)],
            vec![region(0x1000, 0x1000, 5)],
            vec![region(0x1000, 0x3000, 0), region(0x3000, 0x1000, 0x3000)],
            vec![region(u64::MAX - 0xfff, 0x2000, 0)],
            vec![region(0x1000, 0x1000, u64::MAX - 0xfff)],
            vec![Region {
                page_size: 2 << 20,
                ..region(0x20_0000, 0x20_0000, 0)
            }],
            (0..17).map(|n| region(n * 0x1000, 0x1000, 0)).collect(),
        ] {
            let mut bad = bad;
            assert!(check(&mut bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_older_firecracker_names_the_page_size_differently() {
        let text = r#"[{"base_host_virt_addr":4096,"size":4096,"offset":0,"page_size_kib":4096}]"#;
        let mut regions: Vec<Region> = serde_json::from_str(text).unwrap();
        check(&mut regions).unwrap();
    }

    fn answer_to(message: &[u8]) -> HandshakeError {
        let (mut vmm, here) = UnixStream::pair().unwrap();
        vmm.write_all(message).unwrap();
        drop(vmm);
        Arrival::receive(&here, Duration::from_secs(5)).unwrap_err()
    }

    #[test]
    fn a_vmm_that_hangs_up_talks_nonsense_or_sends_no_descriptor_is_refused() {
        assert!(matches!(answer_to(b""), HandshakeError::HungUp));
        assert!(matches!(answer_to(b"[{"), HandshakeError::HungUp));
        assert!(matches!(answer_to(b"hello"), HandshakeError::Syntax(_)));
        let fine = serde_json::to_vec(&[region(0x1000, 0x1000, 0)]).unwrap();
        assert!(matches!(answer_to(&fine), HandshakeError::Descriptors(0)));
        let endless = [b' '; MAX_MESSAGE_BYTES + 1];
        assert!(matches!(answer_to(&endless), HandshakeError::TooLong));
    }

    #[test]
    fn a_vmm_that_says_nothing_is_given_up_in_time() {
        let (_vmm, here) = UnixStream::pair().unwrap();
        let error = Arrival::receive(&here, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, HandshakeError::Io { .. }), "{error}");
    }
}
