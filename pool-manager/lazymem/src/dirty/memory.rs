//! The guest memory of a running VMM, seen from outside.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{fd::BorrowedFd, unix::fs::FileExt as _},
};

use nix::sys::stat::fstat;

use super::{Delta, process};
use crate::{
    PageSource,
    extent::{Extent, PAGE_BYTES, append},
    handshake::Region,
    sys::{PageRegion, pagemap_scan},
};

/// The memory of one VMM's guest. Takes CAP_SYS_PTRACE or the VMM's uid.
///
/// Owns nothing of the VMM. Whoever calls sees to it that the process is not waited for meanwhile,
/// so that its number stays its own.
#[derive(Debug)]
pub struct GuestMemory {
    pid: i32,
    regions: Vec<Region>,
}

/// Guest memory that can't be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirtyError {
    /// The operating system refused; CAP_SYS_PTRACE may be missing.
    #[error("could not {attempt} of process {pid}")]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// The VMM.
        pid: i32,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Memory that is not a clone's could not be read.
    #[error("could not {attempt} of a machine that was booted")]
    Own {
        /// What was tried.
        attempt: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The process has no private mapping of that memory.
    #[error("process {0} does not map the template's memory privately")]
    NotMapped(i32),
    /// More was written than the caller takes.
    #[error("a guest has written {found_bytes} bytes, and at most {limit_bytes} are taken")]
    TooLarge {
        /// What the guest wrote.
        found_bytes: u64,
        /// The caller's limit.
        limit_bytes: u64,
    },
    /// A delta of another guest's size.
    #[error("a delta of a guest of {delta_bytes} bytes does not fit one of {guest_bytes}")]
    Size {
        /// The size that the delta was taken from.
        delta_bytes: u64,
        /// The size of this guest.
        guest_bytes: u64,
    },
}

impl DirtyError {
    /// Whether this process lacks the right: CAP_SYS_PTRACE, or the VMM's uid.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Own { .. } | Self::NotMapped(_) | Self::TooLarge { .. } | Self::Size { .. } => {
                false
            }
        }
    }
}

impl GuestMemory {
    /// Finds the private mapping of a template's memfd, or of its file, in a VMM; `start` is where
    /// the guest's memory begins in it, in bytes: 0 in a memfd, and
    /// [`PlainSource::data_offset`](crate::PlainSource::data_offset) in a file.
    ///
    /// # Errors
    /// When the process can't be looked at, or maps no such thing.
    pub fn find(pid: i32, file: BorrowedFd<'_>, start: u64) -> Result<Self, DirtyError> {
        let file = FileName::of(file).map_err(failed(pid, "identify the memory"))?;
        let maps = maps_of(pid)?;
        let mappings = mappings(&maps, Kind::Private);
        let mut regions: Vec<_> = mappings
            .filter(|(of, _)| *of == file)
            .filter_map(|(_, region)| {
                let offset = region.offset.checked_sub(start)?;
                Some(Region { offset, ..region })
            })
            .collect();
        if regions.is_empty() {
            return Err(DirtyError::NotMapped(pid));
        }
        regions.sort_unstable_by_key(|region| region.offset);
        Ok(Self { pid, regions })
    }

    /// The same in a VMM that an earlier process started: the private mapping of `guest_bytes` of whatever file.
    /// A VMM may have mapped anything since; it is always its own address space that is read.
    ///
    /// # Errors
    /// When the process can't be looked at, or maps no file so.
    pub fn find_by_length(pid: i32, guest_bytes: u64) -> Result<Self, DirtyError> {
        let maps = maps_of(pid)?;
        let mut files: BTreeMap<FileName, Vec<Region>> = BTreeMap::new();
        for (file, region) in mappings(&maps, Kind::Private) {
            files.entry(file).or_default().push(region);
        }
        let found = files.into_values().find_map(|regions| {
            let regions = from_the_first(regions);
            is_whole(&regions, guest_bytes).then_some(regions)
        });
        let regions = found.ok_or(DirtyError::NotMapped(pid))?;
        Ok(Self { pid, regions })
    }

    /// The guest's memory in bytes.
    pub fn len_bytes(&self) -> u64 {
        let ends = self
            .regions
            .iter()
            .map(|region| region.offset + region.size);
        ends.max().unwrap_or(0)
    }

    /// The ranges that the guest wrote, by offset in its memory. Where the kernel can't scan page
    /// maps (before Linux 6.7), pages that were only read may be among them.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn dirty_extents(&self) -> Result<Vec<Extent>, DirtyError> {
        let io = |source| DirtyError::Io {
            attempt: "read the page map",
            pid: self.pid,
            source,
        };
        let pagemap = File::open(format!("/proc/{}/pagemap", self.pid)).map_err(io)?;
        let mut dirty = Vec::new();
        for region in &self.regions {
            match scan(&pagemap, region, &mut dirty) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
                    read_entries(&pagemap, region, &mut dirty).map_err(io)?;
                }
                Err(error) => return Err(io(error)),
            }
        }
        Ok(dirty)
    }

    /// Copies what the stopped guest wrote, at most `limit_bytes`. Zero pages where the template has
    /// zeros are left out.
    ///
    /// # Errors
    /// When more was written, or the process is gone or may not be read.
    pub fn take_delta(&self, base: &dyn PageSource, limit_bytes: u64) -> Result<Delta, DirtyError> {
        let dirty = self.dirty_extents()?;
        let found_bytes = dirty.iter().map(|extent| extent.len).sum();
        if found_bytes > limit_bytes {
            return Err(DirtyError::TooLarge {
                found_bytes,
                limit_bytes,
            });
        }
        let mut bytes = vec![0; found_bytes as usize];
        process::read(self.pid, &self.addresses(&dirty), &mut bytes).map_err(|source| {
            DirtyError::Io {
                attempt: "read the memory",
                pid: self.pid,
                source,
            }
        })?;
        Ok(Delta::of(self.len_bytes(), &dirty, bytes, base))
    }

    /// Writes a delta into the guest's memory, before it runs.
    ///
    /// # Errors
    /// When the delta is of another size of guest, or the process is gone or may not be written.
    pub fn apply(&self, delta: &Delta) -> Result<(), DirtyError> {
        if delta.guest_bytes() != self.len_bytes() {
            return Err(DirtyError::Size {
                delta_bytes: delta.guest_bytes(),
                guest_bytes: self.len_bytes(),
            });
        }
        let addresses = self.addresses(delta.extents());
        process::write(self.pid, &addresses, delta.bytes()).map_err(|source| DirtyError::Io {
            attempt: "write the memory",
            pid: self.pid,
            source,
        })
    }

    /// Where ranges of guest memory lie in the process, in the same order.
    fn addresses(&self, extents: &[Extent]) -> Vec<(u64, u64)> {
        let mut addresses = Vec::with_capacity(extents.len());
        for extent in extents {
            for region in &self.regions {
                let range = Extent {
                    offset: region.offset,
                    len: region.size,
                };
                if let Some(part) = extent.overlap(range) {
                    let start = region.base_host_virt_addr + (part.offset - region.offset);
                    addresses.push((start, part.len));
                }
            }
        }
        addresses
    }
}

/// Whether a process maps all of a file of `guest_bytes`, shared and writable.
pub(super) fn is_mapped_shared(
    pid: i32,
    file: BorrowedFd<'_>,
    guest_bytes: u64,
) -> Result<bool, DirtyError> {
    let file = FileName::of(file).map_err(failed(pid, "identify the memory"))?;
    let maps = maps_of(pid)?;
    let mappings = mappings(&maps, Kind::Shared);
    let regions: Vec<_> = mappings
        .filter_map(|(of, region)| (of == file).then_some(region))
        .collect();
    Ok(is_whole(&from_the_first(regions), guest_bytes))
}

/// Whose the pages of a mapping are that its process writes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The process's own.
    Private,
    /// The file's.
    Shared,
}

/// A file as the kernel names it in a list of mappings: device and inode.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileName(String, String);

impl FileName {
    fn of(file: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = fstat(file)?;
        Ok(Self::new(stat.st_dev, stat.st_ino))
    }

    fn new(device: u64, inode: u64) -> Self {
        use nix::sys::stat::{major, minor};
        let device = format!("{:02x}:{:02x}", major(device), minor(device));
        Self(device, inode.to_string())
    }
}

fn maps_of(pid: i32) -> Result<String, DirtyError> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
    maps.map_err(failed(pid, "read the mappings"))
}

/// The writable mappings of files, with their offset in the file (proc_pid_maps(5)).
fn mappings(maps: &str, kind: Kind) -> impl Iterator<Item = (FileName, Region)> {
    let wanted = match kind {
        Kind::Private => "rw-p",
        Kind::Shared => "rw-s",
    };
    maps.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let is_wanted = words.next()?.starts_with(wanted);
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let file = FileName(words.next()?.to_owned(), words.next()?.to_owned());
        if !is_wanted || file.1 == "0" {
            return None;
        }
        let base = u64::from_str_radix(from, 16).ok()?;
        let region = Region {
            base_host_virt_addr: base,
            size: u64::from_str_radix(to, 16).ok()?.checked_sub(base)?,
            offset,
            page_size: PAGE_BYTES,
            page_size_kib: PAGE_BYTES,
        };
        Some((file, region))
    })
}

/// Counts offsets from the first region's.
fn from_the_first(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_unstable_by_key(|region| region.offset);
    let start = regions.first().map_or(0, |region| region.offset);
    for region in &mut regions {
        region.offset -= start;
    }
    regions
}

/// Whether the regions are all of a guest's memory, each part once.
fn is_whole(regions: &[Region], guest_bytes: u64) -> bool {
    let mut end = 0;
    for region in regions {
        if region.offset != end {
            return false;
        }
        end += region.size;
    }
    end == guest_bytes
}

fn failed(pid: i32, attempt: &'static str) -> impl FnOnce(io::Error) -> DirtyError {
    move |source| DirtyError::Io {
        attempt,
        pid,
        source,
    }
}

/// Finds private pages by `PAGEMAP_SCAN`.
fn scan(pagemap: &File, region: &Region, dirty: &mut Vec<Extent>) -> io::Result<()> {
    let end = region.base_host_virt_addr + region.size;
    let mut at = region.base_host_virt_addr;
    let mut found = [PageRegion::default(); 256];
    while at < end {
        let (count, walked) = pagemap_scan(pagemap, at, end, &mut found)?;
        for range in &found[..count] {
            let offset = region.offset + (range.start - region.base_host_virt_addr);
            append(
                dirty,
                Extent {
                    offset,
                    len: range.end - range.start,
                },
            );
        }
        if walked <= at {
            return Err(io::Error::other("the page map's scan does not advance"));
        }
        at = walked;
    }
    Ok(())
}

/// The same from the entries: present (bit 63) or swapped (62), and not of a file (61). The zero page
/// looks like a private one here.
fn read_entries(pagemap: &File, region: &Region, dirty: &mut Vec<Extent>) -> io::Result<()> {
    let mut entries = [0_u8; 4096];
    let first = region.base_host_virt_addr / PAGE_BYTES;
    let count = region.size / PAGE_BYTES;
    let mut page = 0;
    while page < count {
        let batch = (count - page).min(512);
        let bytes = &mut entries[..batch as usize * 8];
        pagemap.read_exact_at(bytes, (first + page) * 8)?;
        for (number, entry) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            if entry >> 62 != 0 && entry >> 61 & 1 == 0 {
                let offset = region.offset + (page + number as u64) * PAGE_BYTES;
                append(
                    dirty,
                    Extent {
                        offset,
                        len: PAGE_BYTES,
                    },
                );
            }
        }
        page += batch;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_mappings_of_the_memory_count_and_split_ones_are_all_found() {
        let maps = "\
55d000000000-55d000001000 r--p 00000000 00:01 77 /bin/x
7f0000001000-7f0000003000 rw-p 00001000 00:01 1042 /memfd:template (deleted)
7f0000000000-7f0000001000 rw-p 00000000 00:01 1042 /memfd:template (deleted)
7f0000008000-7f0000009000 rw-s 00000000 00:01 1042 /memfd:template (deleted)
7f000000a000-7f000000b000 rw-p 00000000 00:02 1042 /memfd:other (deleted)
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
";
        let file = FileName::new(nix::sys::stat::makedev(0, 1), 1042);
        let found = |kind| -> Vec<_> {
            let regions = mappings(maps, kind).filter(|(of, _)| *of == file);
            from_the_first(regions.map(|(_, region)| region).collect())
                .iter()
                .map(|region| (region.base_host_virt_addr, region.size, region.offset))
                .collect()
        };
        assert_eq!(found(Kind::Shared), [(0x7f00_0000_8000, 0x1000, 0)]);
        assert_eq!(
            found(Kind::Private),
            [
                (0x7f00_0000_0000, 0x1000, 0),
                (0x7f00_0000_1000, 0x2000, 0x1000)
            ]
        );
    }

    #[test]
    fn regions_are_whole_when_they_are_all_of_it_once() {
        let region = |offset, size| Region {
            base_host_virt_addr: 0,
            size,
            offset,
            page_size: PAGE_BYTES,
            page_size_kib: PAGE_BYTES,
        };
        let whole = |regions, bytes| is_whole(&from_the_first(regions), bytes);
        assert!(whole(vec![region(9, 2), region(5, 4)], 6));
        for bytes in [5, 7] {
            assert!(!whole(vec![region(9, 2), region(5, 4)], bytes));
        }
        assert!(!whole(vec![region(5, 4), region(5, 2)], 6), "twice");
        assert!(!whole(vec![region(5, 4), region(10, 2)], 6), "a gap");
        assert!(!whole(Vec::new(), 6));
    }

    #[test]
    fn entry_by_entry_finds_at_least_what_the_scan_finds() {
        // The stack and heap of this very process are private and written.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
        let (from, to) = stack.split_once(' ').unwrap().0.split_once('-').unwrap();
        let base = u64::from_str_radix(from, 16).unwrap();
        let region = Region {
            base_host_virt_addr: base,
            size: u64::from_str_radix(to, 16).unwrap() - base,
            offset: 0,
            page_size: PAGE_BYTES,
            page_size_kib: PAGE_BYTES,
        };
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        let (mut slow, mut fast) = (Vec::new(), Vec::new());
        read_entries(&pagemap, &region, &mut slow).unwrap();
        assert!(!slow.is_empty());
        match scan(&pagemap, &region, &mut fast) {
            Ok(()) => assert_eq!(slow, fast),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOTTY)),
        }
    }
}
