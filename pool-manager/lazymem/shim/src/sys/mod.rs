#![expect(
    unsafe_code,
    reason = "stands in for a function of the C library and makes system calls"
)]
//! The interposed functions, and what happens to the one mapping that counts.

mod calls;
mod fail;
mod interpose;
mod lazy;
mod lean;
