//! How often a password may be tried: so many times in a while from one address, and so many from all together.
//!
//! The first keeps one guesser slow, the second many, and the machine's CPUs from being spent on hashing. What is
//! refused does not count. Keys go on working whatever is guessed.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// The while.
const WINDOW: Duration = Duration::from_secs(60);
/// Tries from one address in a while.
const PER_ADDRESS: usize = 10;
/// Tries from all addresses in a while. It bounds the table, too: nothing older is kept.
const IN_ALL: usize = 100;

/// Who tried when. It holds at most [`IN_ALL`] tries.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    tries: VecDeque<(Instant, IpAddr)>,
}

impl Attempts {
    /// Counts a try.
    ///
    /// # Errors
    /// When there were too many, after how long the next may be made.
    pub(crate) fn begin(&mut self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let from = network(from);
        while let Some((at, _)) = self.tries.front()
            && now.duration_since(*at) >= WINDOW
        {
            self.tries.pop_front();
        }
        let mut own = self.tries.iter().filter(|(_, address)| *address == from);
        let first_own = own.next();
        let blocking = if first_own.is_some() && own.count() + 1 >= PER_ADDRESS {
            first_own
        } else if self.tries.len() >= IN_ALL {
            self.tries.front()
        } else {
            None
        };
        if let Some((at, _)) = blocking {
            return Err(WINDOW.saturating_sub(now.duration_since(*at)));
        }
        self.tries.push_back((now, from));
        Ok(())
    }
}

/// What one party has of the address space: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_try_of_an_address_waits_until_the_first_is_old() {
        let mut attempts = Attempts::default();
        let begin = Instant::now();
        let from = "10.0.0.1".parse().unwrap();
        for second in 0..10 {
            let at = begin + Duration::from_secs(second);
            assert_eq!(attempts.begin(from, at), Ok(()));
        }
        let at = begin + Duration::from_secs(10);
        assert_eq!(attempts.begin(from, at), Err(Duration::from_secs(50)));
        assert_eq!(
            attempts.begin("::ffff:10.0.0.1".parse().unwrap(), at),
            Err(Duration::from_secs(50))
        );
        assert_eq!(attempts.begin("10.0.0.2".parse().unwrap(), at), Ok(()));
        assert_eq!(attempts.begin(from, begin + WINDOW), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_party() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        let address = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        for last in 0..10 {
            assert_eq!(attempts.begin(address(last), now), Ok(()));
        }
        assert!(attempts.begin(address(99), now).is_err());
    }

    #[test]
    fn many_addresses_together_are_bounded_and_so_is_the_table() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        let admitted = (0..100_000)
            .filter(|number| attempts.begin(address(*number), now).is_ok())
            .count();
        assert_eq!(admitted, IN_ALL);
        assert_eq!(attempts.tries.len(), IN_ALL);
        assert_eq!(attempts.begin(address(7), now + WINDOW), Ok(()));
    }
}
