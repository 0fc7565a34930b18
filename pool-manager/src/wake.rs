//! What makes a restored clone a machine of its own.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use thaw_vmm::protocol::{SecretBytes, Wake};

/// Fresh bytes for the guest's generators.
const ENTROPY_BYTES: usize = 64;

/// Makes the wake data of the machine `name`. Called as late as possible, because it holds the time.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(crate) fn wake(name: &str) -> io::Result<Wake> {
    let mut machine_id = [0; 16];
    getrandom::fill(&mut machine_id)?;
    Ok(Wake {
        hostname: Some(name.to_owned()),
        machine_id: Some(hex::encode(machine_id)),
        ..rouse()?
    })
}

/// Makes the wake data of the machine `name` that was booted from its own disk: the disk knows its machine id.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(crate) fn wake_booted(name: &str) -> io::Result<Wake> {
    Ok(Wake {
        hostname: Some(name.to_owned()),
        ..rouse()?
    })
}

/// What a machine needs that stood still and goes on as itself: it keeps its names.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(crate) fn rouse() -> io::Result<Wake> {
    let mut entropy = vec![0; ENTROPY_BYTES];
    getrandom::fill(&mut entropy)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Ok(Wake {
        entropy: SecretBytes(entropy),
        wall_clock_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        hostname: None,
        machine_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_wakes_are_alike() {
        let (first, second) = (wake("vm-1").unwrap(), wake("vm-1").unwrap());
        assert_ne!(first.entropy, second.entropy);
        assert_ne!(first.machine_id, second.machine_id);
        assert_eq!(first.entropy.0.len(), 64);
        assert_eq!(first.machine_id.map(|id| id.len()), Some(32));
    }
}
