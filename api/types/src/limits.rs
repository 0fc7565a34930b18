//! The numbers of the interface: defaults and ranges.

/// How long a program may run when a request does not say, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// The longest a program may run, in milliseconds: one hour.
pub const MAX_TIMEOUT_MS: u64 = 3_600_000;
/// How long a caller waits for a VM when a request does not say, in milliseconds.
///
/// It is enough for a bake; an image that must be made first may take longer and is answered with
/// [`ErrorCode::ImageBuilding`](crate::ErrorCode::ImageBuilding) while the making goes on.
pub const DEFAULT_START_TIMEOUT_MS: u64 = 60_000;
/// The longest a caller may wait for a VM, in milliseconds.
pub const MAX_START_TIMEOUT_MS: u64 = 3_600_000;
/// A VM's memory when a request does not say, in MiB.
pub const DEFAULT_MEMORY_MIB: u32 = 256;
/// The least memory of a VM, in MiB.
pub const MIN_MEMORY_MIB: u32 = 128;
/// The most memory of a VM, in MiB.
pub const MAX_MEMORY_MIB: u32 = 65_536;
/// A VM's CPUs when a request does not say.
pub const DEFAULT_VCPUS: u8 = 1;
/// The most CPUs of a VM.
pub const MAX_VCPUS: u8 = 32;
/// How much of each output stream is kept when a request does not say, in bytes: 10 MiB.
pub const DEFAULT_OUTPUT_LIMIT_BYTES: u64 = 10 << 20;
/// The most that is sent of each output stream as events, in bytes: 1 GiB.
pub const MAX_OUTPUT_LIMIT_BYTES: u64 = 1 << 30;
/// The most that is kept of each output stream for a JSON answer, in bytes: 64 MiB.
pub const MAX_JSON_OUTPUT_LIMIT_BYTES: u64 = 64 << 20;
/// The largest JSON request body, in bytes: 16 MiB.
pub const MAX_JSON_BODY_BYTES: usize = 16 << 20;
/// The largest program (argv, command or code, with env, cwd and user, as JSON), in bytes. One frame to the
/// guest holds 1 MiB; standard input does not count.
pub const MAX_PROGRAM_BYTES: usize = 960 << 10;
/// The longest life of a key that ends at all, in seconds: a hundred years.
pub const MAX_KEY_LIFETIME_S: u64 = 3_153_600_000;
/// How many entries of a folder a request gets when it does not say.
pub const DEFAULT_LIST_ENTRIES: u32 = 1_000;
/// The most entries of a folder that one request gets.
pub const MAX_LIST_ENTRIES: u32 = 10_000;
/// The longest path inside a VM, in bytes: that of Linux.
pub const MAX_PATH_BYTES: usize = 4_095;
/// The longest name of an image, template or VM, in characters.
pub const MAX_NAME_CHARS: usize = 128;
/// The most that a VM's own environment may take as JSON, in bytes: 64 KiB.
pub const MAX_VM_ENV_BYTES: usize = 64 << 10;
/// The most that the metadata of a VM or snapshot may take as JSON, in bytes: 64 KiB.
pub const MAX_METADATA_BYTES: usize = 64 << 10;
/// The longest idle time and lifetime of a VM, in seconds: one year.
pub const MAX_VM_TIME_S: u64 = 31_536_000;
/// The most VMs that one call forks.
pub const MAX_FORKS: u32 = 64;
/// How many VMs or snapshots a page has when a request does not say.
pub const DEFAULT_PAGE: u32 = 100;
/// The most VMs or snapshots of a page.
pub const MAX_PAGE: u32 = 1_000;
/// The most parked clones that a pool may be told to keep.
pub const MAX_POOL_SIZE: u32 = 10_000;
/// The longest idle time of a pool, in milliseconds: one day.
pub const MAX_POOL_IDLE_MS: u64 = 86_400_000;
