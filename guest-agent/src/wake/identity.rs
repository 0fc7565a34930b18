//! The names of this machine: host name, machine id and the files that hold them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    sync::{Mutex, PoisonError},
};

const HOSTNAME_FILE: &str = "/etc/hostname";
const HOSTS_FILE: &str = "/etc/hosts";
const MACHINE_ID_FILE: &str = "/etc/machine-id";

/// What the agent has written about this machine.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// /etc/hosts as the agent wrote it last; a file that differs is the user's and stays.
    hosts: Mutex<Option<String>>,
}

impl Identity {
    /// Writes host name and machine id, as far as there are new ones, to their files.
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub(crate) fn write(&self, hostname: Option<&str>, machine_id: Option<&str>) -> io::Result<()> {
        if let Some(machine_id) = machine_id {
            overwrite(MACHINE_ID_FILE, &format!("{machine_id}\n"))?;
        }
        let Some(hostname) = hostname else {
            return Ok(());
        };
        overwrite(HOSTNAME_FILE, &format!("{hostname}\n"))?;
        // One assignment below, so a panic elsewhere can't have left it half-done.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.as_ref().is_none_or(|text| holds(HOSTS_FILE, text)) {
            let text = hosts_text(hostname);
            overwrite(HOSTS_FILE, &text)?;
            *hosts = Some(text);
        }
        Ok(())
    }

    /// Takes /etc/hosts for the user's: it was written in an earlier life of this machine.
    pub(crate) fn leave_hosts(&self) {
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(String::new());
    }

    /// Puts regular files where an image may have links, or nothing: for a disk's first boot only.
    ///
    /// # Errors
    /// The first file that cannot be made.
    pub(crate) fn lay_out(&self, hostname: &str, machine_id: &str) -> io::Result<()> {
        fs::create_dir_all("/etc")?;
        for path in [HOSTNAME_FILE, HOSTS_FILE, MACHINE_ID_FILE] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.write(Some(hostname), Some(machine_id))
    }
}

fn hosts_text(hostname: &str) -> String {
    format!(
        "127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n"
    )
}

/// Whether a file holds just this. One call looks at all of it: to ask for its length first would take a clone longer.
fn holds(path: &str, text: &str) -> bool {
    let mut found = vec![0; text.len() + 1];
    let read = File::open(path).and_then(|mut file| file.read(&mut found));
    read.is_ok_and(|read| found.get(..read) == Some(text.as_bytes()))
}

/// Overwrites in place. Never follows a link and never waits on a pipe that a user put there.
///
/// The file is cut only where it was longer: to truncate it first would give its block back and take another,
/// a millisecond of every clone's wake.
fn overwrite(path: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    let length = text.len() as u64;
    if file.seek(SeekFrom::End(0))? > length {
        file.set_len(length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_the_new_text_alone_whatever_its_length_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostname");
        for text in ["a-long-name\n", "short\n", "a-longer-name-again\n"] {
            overwrite(path.to_str().unwrap(), text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
