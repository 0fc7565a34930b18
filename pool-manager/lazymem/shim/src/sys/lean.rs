//! Spares a VMM memory of its own that it has no use for: pages that no other clone can share (ADR 13).
//!
//! What is not found as it is expected is left as it is: then the VMM is larger, and not wrong.

use std::{
    ffi::{CStr, c_int, c_long, c_void},
    sync::OnceLock,
};

use super::fail::fail;

/// Bytes at which QEMU sets each block of code that it translates, and the block's description before it.
///
/// It asks for the size of a cache line, so that CPUs which change a description don't slow down others that run the
/// code (`tcg_tb_alloc`, tcg/tcg.c). A small guest has tens of thousands of small blocks, and an eighth of them would
/// be padding. Code begins at 16 bytes whatever is asked for (`CODE_GEN_ALIGN`).
const CODE_ALIGNMENT: c_long = 16;

/// Bytes of the buffer in which a machine's empty device tree is made, at most.
///
/// libfdt writes zeros into all of it, and QEMU gives it 1 MiB (`create_device_tree`, softmmu/device_tree.c). The tree
/// gets the whole buffer afterwards, by `fdt_open_into`, which writes only what the tree has.
const EMPTY_DEVICE_TREE: c_int = 64 * 1024;

/// How the file of the disassembler is named, up to its version.
const DISASSEMBLER: &[u8] = b"libcapstone.so";

const PAGE_SIZE: u64 = 4096;

/// `sysconf(3)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    if name == libc::_SC_LEVEL1_ICACHE_LINESIZE {
        return CODE_ALIGNMENT;
    }
    // SAFETY: the same contract.
    unsafe { theirs()(name) }
}

type Sysconf = unsafe extern "C" fn(c_int) -> c_long;

/// The C library's own `sysconf`. It may be called between a fork and its exec, where the linker must not be asked.
fn theirs() -> Sysconf {
    static THEIRS: OnceLock<Sysconf> = OnceLock::new();
    *THEIRS.get_or_init(|| {
        let found = next(c"sysconf");
        // SAFETY: this is the C library's `sysconf`, which is declared so.
        unsafe { std::mem::transmute::<*mut c_void, Sysconf>(found) }
    })
}

/// Run before `main`, while there is one thread.
pub(super) fn prepare() {
    theirs();
    drop_disassembler();
}

/// libfdt's `fdt_create`.
///
/// # Safety
/// As libfdt's.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdt_create(buffer: *mut c_void, len: c_int) -> c_int {
    let theirs = next(c"fdt_create");
    // SAFETY: this is libfdt's `fdt_create`, which is declared so.
    let theirs: unsafe extern "C" fn(*mut c_void, c_int) -> c_int =
        unsafe { std::mem::transmute(theirs) };
    // SAFETY: the same contract; the buffer has the smaller length too.
    unsafe { theirs(buffer, len.min(EMPTY_DEVICE_TREE)) }
}

/// The function that would have been called without this library.
fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero.
    let function = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if function.is_null() {
        fail("find the function that it stands in for");
    }
    function
}

/// Lets go of the disassembler's tables.
///
/// They are addresses, which the dynamic linker writes into private pages of every process: 1.3 MiB. QEMU reads them
/// only for its logs of code and for a monitor's `x/i`; here that would be a segmentation fault.
fn drop_disassembler() {
    // SAFETY: `drop_tables` keeps the callback's contract.
    unsafe { libc::dl_iterate_phdr(Some(drop_tables), std::ptr::null_mut()) };
}

/// Drops the constant data of the disassembler; 1, for the end of the search, when `library` is it.
unsafe extern "C" fn drop_tables(
    library: *mut libc::dl_phdr_info,
    _len: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the linker's description of a library is valid while it calls.
    let library = unsafe { &*library };
    // SAFETY: as above; the name ends with a zero.
    let path = unsafe { CStr::from_ptr(library.dlpi_name) }.to_bytes();
    let name = path.rsplit(|byte| *byte == b'/').next();
    if !name.is_some_and(|name| name.starts_with(DISASSEMBLER)) {
        return 0;
    }
    // SAFETY: as above; the linker says how many there are.
    let headers =
        unsafe { std::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into()) };
    let range = |kind| {
        let header = headers.iter().find(|header| header.p_type == kind)?;
        let start = library.dlpi_addr.checked_add(header.p_vaddr)?;
        Some((start, start.checked_add(header.p_memsz)?))
    };
    // The tables lie between what the linker itself still needs: the lists of the library's
    // initializers before them, its dynamic section after.
    if let (Some((constants, constants_end)), Some((dynamic, _))) =
        (range(libc::PT_GNU_RELRO), range(libc::PT_DYNAMIC))
        && dynamic < constants_end
    {
        let start = (constants / PAGE_SIZE + 1) * PAGE_SIZE;
        let end = dynamic / PAGE_SIZE * PAGE_SIZE;
        if let Some(len) = end.checked_sub(start) {
            drop_pages(start, len);
        }
    }
    1
}

fn drop_pages(start: u64, len: u64) {
    let (Ok(start), Ok(len)) = (usize::try_from(start), usize::try_from(len)) else {
        return;
    };
    let start = std::ptr::with_exposed_provenance_mut::<c_void>(start);
    // SAFETY: these pages hold constants of a library that is not called. They can't be read any
    // more before they lose what the linker wrote.
    unsafe {
        if libc::mprotect(start, len, libc::PROT_NONE) == 0 {
            libc::madvise(start, len, libc::MADV_DONTNEED);
        }
    }
}
