//! The steps of waking, in the order in which they matter.

use std::io;

use nix::{
    errno::Errno,
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime, clock_settime},
    unistd::sethostname,
};
use thaw_guest_protocol::{FailureKind, Wake};
use thiserror::Error;

use super::sys::{MAX_ENTROPY_BYTES, reseed};
use crate::{
    agent::{Agent, Powers},
    failure::OperationError,
};

/// Below this the generator would not be seeded by it (256 bits).
const MIN_ENTROPY_BYTES: usize = 32;

#[derive(Debug, Error)]
enum WakeError {
    #[error("entropy must be {MIN_ENTROPY_BYTES} to {MAX_ENTROPY_BYTES} bytes, not {0}")]
    Entropy(usize),
    #[error("{0:?} is no host name")]
    Hostname(String),
    #[error("{0:?} is no machine id")]
    MachineId(String),
    #[error("open /dev/random: {0}")]
    Random(#[source] io::Error),
    #[error("seed the kernel's random generator: {0}")]
    Seed(#[source] Errno),
    #[error("set the clock: {0}")]
    Clock(#[source] Errno),
    #[error("set the host name: {0}")]
    SetHostname(#[source] Errno),
    #[error("write host name and machine id: {0}")]
    Files(#[source] io::Error),
}

/// Makes this machine one of its own. Nothing may run in it unless this succeeds.
///
/// # Errors
/// [`FailureKind::Wake`].
pub(crate) fn wake(data: &Wake, agent: &Agent) -> Result<(), OperationError> {
    check(data)
        .and_then(|()| match agent.powers() {
            Powers::Guest => apply(data, agent),
            Powers::Visitor => Ok(()),
        })
        .map_err(|error| OperationError::refused(FailureKind::Wake, error.to_string()))
}

/// How far the clock stands back while a function is initialised and frozen.
const SET_BACK_S: i64 = 2 * 3600;

/// Sets the clock back until the next wake puts it right.
///
/// OpenSSL asks the kernel for randomness again after an hour (`PRIMARY_RESEED_TIME_INTERVAL` of its
/// providers/implementations/rands/drbg_local.h). So whatever was seeded before the freeze is seeded
/// anew in every clone when it is next used, whichever language runs and whether or not it can be asked to.
///
/// # Errors
/// What clock_settime(2) says.
pub(crate) fn set_clock_back() -> Result<(), OperationError> {
    let system = |errno| OperationError::system("set the clock back", errno);
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map_err(system)?;
    let then = TimeSpec::new(now.tv_sec() - SET_BACK_S, now.tv_nsec());
    clock_settime(ClockId::CLOCK_REALTIME, then).map_err(system)
}

fn check(data: &Wake) -> Result<(), WakeError> {
    let entropy = data.entropy.0.len();
    if !(MIN_ENTROPY_BYTES..=MAX_ENTROPY_BYTES).contains(&entropy) {
        return Err(WakeError::Entropy(entropy));
    }
    if let Some(name) = data.hostname.as_ref().filter(|name| !is_host_name(name)) {
        return Err(WakeError::Hostname(name.clone()));
    }
    if let Some(id) = data.machine_id.as_ref().filter(|id| !is_machine_id(id)) {
        return Err(WakeError::MachineId(id.clone()));
    }
    Ok(())
}

fn is_host_name(name: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(good) && !name.starts_with('-')
}

fn is_machine_id(id: &str) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    id.len() == 32 && id.bytes().all(hex)
}

fn apply(data: &Wake, agent: &Agent) -> Result<(), WakeError> {
    // Randomness first: whatever comes after may already draw from it.
    let random = agent.random().open().map_err(WakeError::Random)?;
    reseed(random, &data.entropy.0).map_err(WakeError::Seed)?;
    let seconds = data.wall_clock_ns / 1_000_000_000;
    let nanos = data.wall_clock_ns % 1_000_000_000;
    // Both fit: u64 nanoseconds are 584 years.
    let now = TimeSpec::new(seconds as i64, nanos as i64);
    clock_settime(ClockId::CLOCK_REALTIME, now).map_err(WakeError::Clock)?;
    if let Some(hostname) = &data.hostname {
        sethostname(hostname).map_err(WakeError::SetHostname)?;
    }
    agent
        .identity()
        .write(data.hostname.as_deref(), data.machine_id.as_deref())
        .map_err(WakeError::Files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thaw_guest_protocol::SecretBytes;

    fn data() -> Wake {
        Wake {
            entropy: SecretBytes(vec![1; 64]),
            wall_clock_ns: 0,
            hostname: Some("clone-1".into()),
            machine_id: Some("0123456789abcdef".repeat(2)),
        }
    }

    #[test]
    fn data_that_would_make_no_machine_of_its_own_is_refused() {
        assert!(check(&data()).is_ok());
        let same = Wake {
            hostname: None,
            machine_id: None,
            ..data()
        };
        assert!(check(&same).is_ok());
        let short = SecretBytes(vec![1; 8]);
        assert!(
            check(&Wake {
                entropy: short,
                ..data()
            })
            .is_err()
        );
        for hostname in ["", "a b", "-a", "a\nb", &"a".repeat(64)] {
            let hostname = Some(hostname.to_owned());
            assert!(check(&Wake { hostname, ..data() }).is_err());
        }
        for id in ["", "0123", &"G".repeat(32)] {
            let machine_id = Some(id.to_owned());
            assert!(
                check(&Wake {
                    machine_id,
                    ..data()
                })
                .is_err()
            );
        }
    }
}
