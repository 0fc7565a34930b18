#![expect(
    unsafe_code,
    reason = "maps memory and makes system calls that no crate wraps"
)]
//! The mapping and the system calls of template memory.

mod mapping;

pub(crate) use mapping::SharedMapping;
