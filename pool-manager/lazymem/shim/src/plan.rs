//! What the environment asks for: `1 MODE memory=FD [KEY=NUMBER …]`, the first word a version.
//!
//! `1 whole memory=10` · `1 file memory=10 file=11 offset=8192` · `1 lazy memory=10 device=11 socket=12`

/// The variable's name.
#[cfg(not(test))]
pub(crate) const VARIABLE: &std::ffi::CStr = c"THAW_SHIM";
const VERSION: &str = "1";

/// What to do with the mapping of `memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The number of the inherited memfd.
    pub(crate) memory: i32,
    pub(crate) mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Whole,
    /// Map this file, from this offset in bytes.
    File {
        file: i32,
        offset: i64,
    },
    /// The numbers of /dev/userfaultfd and of the socket to the page server.
    Lazy {
        device: i32,
        socket: i32,
    },
}

impl Plan {
    /// `None` when the text is not understood in every word.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let mode = words.next()?;
        let memory = value(words.next()?, "memory")?;
        let mode = match mode {
            "whole" => Mode::Whole,
            "file" => Mode::File {
                file: value(words.next()?, "file")?,
                offset: value(words.next()?, "offset")?,
            },
            "lazy" => Mode::Lazy {
                device: value(words.next()?, "device")?,
                socket: value(words.next()?, "socket")?,
            },
            _ => return None,
        };
        words.next().is_none().then_some(Self { memory, mode })
    }
}

fn value<N: std::str::FromStr + PartialOrd + Default>(word: &str, key: &str) -> Option<N> {
    let number = word.strip_prefix(key)?.strip_prefix('=')?.parse().ok()?;
    (number >= N::default()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_understood() {
        let plan = |text| Plan::parse(text).unwrap();
        assert_eq!(plan("1 whole memory=10").mode, Mode::Whole);
        assert_eq!(
            plan("1 file memory=10 file=11 offset=8192").mode,
            Mode::File {
                file: 11,
                offset: 8192
            }
        );
        let lazy = plan("1 lazy memory=10 device=11 socket=12");
        assert_eq!(lazy.memory, 10);
        assert_eq!(
            lazy.mode,
            Mode::Lazy {
                device: 11,
                socket: 12
            }
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "1",
            "2 whole memory=10",
            "1 whole",
            "1 whole memory=-1",
            "1 whole memory=x",
            "1 whole memory=10 more=1",
            "1 lazy memory=10 socket=12 device=11",
            "1 file memory=10 file=11",
            "1 magic memory=10",
        ] {
            assert_eq!(Plan::parse(bad), None, "{bad}");
        }
    }
}
