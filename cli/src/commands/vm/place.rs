//! Where something is copied from or to.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// A place of `thaw vm cp`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Standard input or output.
    Stream,
    /// A path here.
    Here(PathBuf),
    /// A path in a VM.
    There {
        /// Its id or name.
        vm: String,
        /// An absolute path.
        path: String,
    },
}

impl Place {
    /// `-`, `NAME:/path`, or a path here. A path here with a colon begins with `/` or `.`.
    ///
    /// # Errors
    /// A path in a VM that is not absolute.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stream);
        }
        if text.starts_with(['/', '.']) {
            return Ok(Self::Here(text.into()));
        }
        match text.split_once(':') {
            Some((vm, path)) if path.starts_with('/') && !vm.is_empty() => Ok(Self::There {
                vm: vm.to_owned(),
                path: path.to_owned(),
            }),
            Some((vm, path)) => bail!(
                "{text:?} is neither a path in a VM, such as {vm}:/{path}, nor one here, such as ./{text}"
            ),
            None => Ok(Self::Here(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let there = Place::There {
            vm: "web".to_owned(),
            path: "/a:b".to_owned(),
        };
        assert_eq!(Place::parse("web:/a:b").unwrap(), there);
        assert_eq!(
            Place::parse("./a:/b").unwrap(),
            Place::Here("./a:/b".into())
        );
        assert_eq!(Place::parse("a").unwrap(), Place::Here("a".into()));
        assert_eq!(Place::parse("-").unwrap(), Place::Stream);
        assert!(Place::parse("web:a").is_err());
        assert!(Place::parse(":/a").is_err());
    }
}
