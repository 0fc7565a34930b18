//! The command line of `thaw auth` and `thaw key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use thaw_api_types::Scope;

use crate::arguments::Connection;

/// What `thaw auth` does. It works on the storage root itself; a daemon that runs takes it up at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Turn authentication on: set the admin password and make the first API key.
    Init {
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        key: FirstKey,
        #[command(flatten)]
        place: Place,
    },
    /// Set another admin password; every session ends, keys stay.
    SetPassword {
        #[command(flatten)]
        password: PasswordSource,
        /// Make an admin key as well and keep it in the credentials file, as `init` does.
        #[arg(long)]
        save_key: bool,
        /// The daemon's address, which the key is kept for. Default: http://127.0.0.1:8000
        #[arg(long, env = "THAW_SERVER", value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Take over the API keys and the password of BandSox's auth.json.
    Import {
        /// BandSox's auth.json.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Turn authentication off; keys stay for when it is turned on again.
    Disable {
        #[command(flatten)]
        place: Place,
    },
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from standard input instead of asking for it twice.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// What becomes of the first key.
#[derive(Debug, Args)]
pub(crate) struct FirstKey {
    /// Keep the key in the credentials file (~/.config/thaw/credentials) without asking.
    #[arg(long, conflicts_with = "no_save_key")]
    pub(crate) save_key: bool,
    /// Print the key instead, without asking.
    #[arg(long)]
    pub(crate) no_save_key: bool,
    /// The daemon's address, which the key is kept for. Default: http://127.0.0.1:8000
    #[arg(long, env = "THAW_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// The storage root, and how the outcome is told.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The storage root. Default: /var/lib/thaw; without root ~/.local/share/thaw
    #[arg(long, env = "THAW_STORAGE", value_name = "FOLDER")]
    pub(crate) storage: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `thaw key` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key and print it; it is not shown again.
    Create {
        /// Its name.
        name: String,
        /// What it may do (repeatable): read, invoke, manage (implies both) or admin (implies all).
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// After how long it is worth nothing: 30d, 12h, 45m, or seconds. Default: never
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<u64>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the keys.
    Ls {
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke a key; it is worth nothing from then on.
    Revoke {
        /// Its name or id.
        key: String,
        #[command(flatten)]
        connection: Connection,
    },
}

fn seconds(text: &str) -> Result<u64, String> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1), ("", 1)];
    let read = units.into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    read.filter(|seconds| *seconds > 0)
        .ok_or_else(|| "give a time such as 30d, 12h, 45m or 90s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, wanted) in [
            ("30d", 2_592_000),
            ("12h", 43_200),
            ("45m", 2700),
            ("9", 9),
            ("9s", 9),
        ] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "d",
            "0",
            "-1d",
            "1w",
            "1.5h",
            "99999999999999999999d",
            "9999999999999999999d",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
