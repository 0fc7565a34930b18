//! The command line of what happens inside a VM.

use std::net::SocketAddr;

use clap::Args;

use super::{Connection, How};

/// One of the two places is NAME:/path, the other a path here; `-` is standard input or output.
#[derive(Debug, Args)]
pub(crate) struct VmCopy {
    /// What to copy. A folder is copied with everything in it.
    pub(crate) from: String,
    /// Where to: into a folder that is there, or under this very path.
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// The console is where the VM's kernel speaks, and what is written to /dev/console.
#[derive(Debug, Args)]
pub(crate) struct VmLogs {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// Go on with what it says next, until it ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only so many lines at the end.
    #[arg(short = 'n', long, value_name = "LINES")]
    pub(crate) tail: Option<u32>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VmUsage {
    /// Their ids or names, or the beginnings of their ids. Default: all
    pub(crate) vms: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VmTerminal {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// A command line for `/bin/sh -c`. Default: a shell
    #[arg(short, long, value_name = "LINE")]
    pub(crate) command: Option<String>,
    /// The working directory.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// The user: `name`, `uid`, `name:group` or `uid:gid`.
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Output comes as it is written. Signals go to the program; the third one ends this command and, with it, the
/// program.
#[derive(Debug, Args)]
pub(crate) struct VmExec {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<String>,
    /// Run it on a terminal; with -i, on ours.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Leave it running in the background of the VM, and print its number.
    #[arg(short, long, conflicts_with_all = ["tty", "interactive", "output_limit", "timings"])]
    pub(crate) background: bool,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// A program in the background of a VM.
#[derive(Debug, Args)]
pub(crate) struct OneExec {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// The program's number.
    pub(crate) exec: u64,
}

/// Of each stream the last 128 KiB are kept.
#[derive(Debug, Args)]
pub(crate) struct VmOutput {
    #[command(flatten)]
    pub(crate) of: OneExec,
    /// Go on with what it writes next, until it ends; then end as it did.
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VmKill {
    #[command(flatten)]
    pub(crate) of: OneExec,
    /// The signal: its name or number.
    #[arg(short, long, default_value = "TERM", value_parser = signal)]
    pub(crate) signal: i32,
    /// Kill it if it runs, and forget it.
    #[arg(long, conflicts_with = "signal")]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Until Ctrl-C. What listens in the VM needs no network; it may listen on 127.0.0.1.
#[derive(Debug, Args)]
pub(crate) struct VmForward {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// PORT, LOCAL:PORT or ADDRESS:LOCAL:PORT. Without LOCAL both ports are the same; LOCAL 0 takes a free one. Without
    /// ADDRESS only programs of this machine can connect.
    #[arg(value_name = "LOCAL:PORT", value_parser = forward)]
    pub(crate) forward: Forward,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Where to listen here, and the port in the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) listen: SocketAddr,
    pub(crate) port: u16,
}

fn forward(text: &str) -> Result<Forward, String> {
    let bad = || "give PORT, LOCAL:PORT or ADDRESS:LOCAL:PORT, such as 8080:80".to_owned();
    let (local, port) = text.rsplit_once(':').unwrap_or((text, text));
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
    let local = match local.contains(':') {
        true => local.to_owned(),
        false => format!("127.0.0.1:{local}"),
    };
    let listen = local.parse().map_err(|_| bad())?;
    Ok(Forward { listen, port })
}

/// The number of a signal: `15`, `TERM` or `SIGTERM`.
fn signal(text: &str) -> Result<i32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let name = text.to_ascii_uppercase();
    let name = match name.starts_with("SIG") {
        true => name,
        false => format!("SIG{name}"),
    };
    let signal: nix::sys::signal::Signal = name
        .parse()
        .map_err(|_| "this is no signal; try TERM, KILL, INT or a number".to_owned())?;
    Ok(signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_read_as_they_are_documented() {
        let to = |text| forward(text).map(|forward| (forward.listen.to_string(), forward.port));
        let leads = |listen: &str, port| Ok((listen.to_owned(), port));
        assert_eq!(to("80"), leads("127.0.0.1:80", 80));
        assert_eq!(to("8080:80"), leads("127.0.0.1:8080", 80));
        assert_eq!(to("0:80"), leads("127.0.0.1:0", 80));
        assert_eq!(to("0.0.0.0:8080:80"), leads("0.0.0.0:8080", 80));
        assert_eq!(to("[::1]:8080:80"), leads("[::1]:8080", 80));
        for bad in ["", "x", "80:0", "80:x", "1:2:3", "99999:1"] {
            assert!(forward(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["15", "TERM", "sigterm", "SIGTERM"] {
            assert_eq!(signal(text), Ok(15), "{text}");
        }
        assert!(signal("NONE").is_err());
    }
}
