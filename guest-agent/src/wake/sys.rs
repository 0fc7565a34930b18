//! The kernel's random generator.
#![expect(unsafe_code, reason = "ioctls of random(4)")]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;

/// What one call can add; the host sends 64.
pub(super) const MAX_ENTROPY_BYTES: usize = 256;

/// `struct rand_pool_info` of linux/random.h with room for the bytes.
#[repr(C)]
struct PoolInfo {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    buffer: [u8; MAX_ENTROPY_BYTES],
}

// linux/random.h: _IOW('R', 0x03, int[2]) and _IO('R', 0x07).
const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

/// Mixes the bytes in, believes them, and makes the generator use them at once.
pub(super) fn reseed(random: BorrowedFd<'_>, entropy: &[u8]) -> Result<(), Errno> {
    let mut info = PoolInfo {
        entropy_bits: 0,
        bytes: 0,
        buffer: [0; MAX_ENTROPY_BYTES],
    };
    let room = info.buffer.get_mut(..entropy.len()).ok_or(Errno::EINVAL)?;
    room.copy_from_slice(entropy);
    // At most 256, checked above.
    info.bytes = entropy.len() as libc::c_int;
    info.entropy_bits = info.bytes * 8;
    // SAFETY: the structure is laid out as the kernel's and says how many bytes of it count.
    unsafe {
        Errno::result(libc::ioctl(
            random.as_raw_fd(),
            RNDADDENTROPY,
            &raw const info,
        ))?;
        Errno::result(libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG))?;
    }
    Ok(())
}
