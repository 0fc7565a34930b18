//! The host's time stamp counter.
#![expect(unsafe_code, reason = "an instruction")]

/// The counter of this CPU, which a guest under emulation sees too.
pub(crate) fn time_stamp_counter() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and it reads a register only.
    unsafe { std::arch::x86_64::_rdtsc() }
}
