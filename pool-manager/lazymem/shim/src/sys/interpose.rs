//! Stands in for `mmap`.

use std::{
    ffi::{CStr, c_int, c_void},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    calls::{Mapping, close, identity},
    fail::fail,
    lazy, lean,
};
use crate::plan::{Mode, Plan, VARIABLE};

/// What to do, and the device and inode to do it to.
static PLAN: OnceLock<(Plan, (u64, u64))> = OnceLock::new();
/// Whether the memory was mapped: its descriptors serve one mapping.
static MAPPED: AtomicBool = AtomicBool::new(false);

/// Run by the dynamic linker before `main`, while there is one thread.
#[used]
#[unsafe(link_section = ".init_array")]
static READ_PLAN: extern "C" fn() = read_plan;

extern "C" fn read_plan() {
    // SAFETY: the name ends with a zero, and no other thread changes the environment yet.
    let text = unsafe { libc::getenv(VARIABLE.as_ptr()) };
    if text.is_null() {
        fail("find out what to do: THAW_SHIM is not set");
    }
    // SAFETY: getenv gave a string that ends with a zero; it is not kept beyond this call.
    let text = unsafe { CStr::from_ptr(text) };
    let Some(plan) = text.to_str().ok().and_then(Plan::parse) else {
        fail("understand THAW_SHIM");
    };
    let Some(memory) = identity(plan.memory) else {
        fail("find the memory's descriptor");
    };
    // Nothing that this process may start is to be preloaded or to learn the numbers.
    for name in [VARIABLE, c"LD_PRELOAD"] {
        // SAFETY: as for getenv.
        unsafe { libc::unsetenv(name.as_ptr()) };
    }
    if PLAN.set((plan, memory)).is_err() {
        fail("start twice");
    }
    lean::prepare();
}

/// `mmap(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let mapping = Mapping {
        address,
        len,
        protection,
        flags,
        fd,
        offset,
    };
    if fd < 0 || flags & libc::MAP_ANONYMOUS != 0 {
        return mapping.call();
    }
    match PLAN.get() {
        Some((plan, memory)) if identity(fd) == Some(*memory) => map_memory(plan.mode, mapping),
        _ => mapping.call(),
    }
}

/// `mmap` with an offset of 64 bits, which on a 64-bit machine is the same.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    address: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: the same contract.
    unsafe { mmap(address, len, protection, flags, fd, offset) }
}

fn map_memory(mode: Mode, mapping: Mapping) -> *mut c_void {
    if MAPPED.swap(true, Ordering::AcqRel) {
        fail("map the template's memory a second time");
    }
    let mapping = mapping.private();
    match mode {
        Mode::Whole => called(mapping),
        Mode::File { file, offset } => {
            let Some(offset) = offset.checked_add(mapping.offset) else {
                fail("find the offset in the file");
            };
            let start = called(Mapping {
                fd: file,
                offset,
                ..mapping
            });
            close(file);
            start
        }
        Mode::Lazy { device, socket } => {
            let start = called(mapping);
            lazy::register(device, socket, mapping, start as u64);
            close(device);
            close(socket);
            start
        }
    }
}

fn called(mapping: Mapping) -> *mut c_void {
    let start = mapping.call();
    if start == libc::MAP_FAILED {
        fail("map the template's memory privately");
    }
    start
}
