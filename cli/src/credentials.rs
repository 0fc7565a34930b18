//! The file with the API keys of this user, one for each server: `~/.config/thaw/credentials`, mode 0600.

use std::{
    collections::BTreeMap,
    fs::{DirBuilder, File},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// The keys, by the addresses of their servers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credentials {
    version: u32,
    servers: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
}

impl Credentials {
    /// Reads the file; without one there are no keys.
    ///
    /// # Errors
    /// When it can't be read, is of another version, or others could read it.
    pub(crate) fn read() -> Result<Self> {
        match path() {
            Some(path) => Self::read_from(&path),
            None => Ok(Self::empty()),
        }
    }

    /// Keeps a key for a server, in place of the one before, and says where.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub(crate) fn keep(server: &str, key: &str) -> Result<PathBuf> {
        let path = path().context("there is no HOME to keep the key in")?;
        let mut credentials = Self::read_from(&path)?;
        let entry = Entry {
            key: key.to_owned(),
        };
        credentials.servers.insert(named(server), entry);
        credentials
            .write_to(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// The key for a server.
    pub(crate) fn key(&self, server: &str) -> Option<String> {
        self.servers
            .get(&named(server))
            .map(|entry| entry.key.clone())
    }

    fn empty() -> Self {
        Self {
            version: VERSION,
            servers: BTreeMap::new(),
        }
    }

    fn read_from(path: &Path) -> Result<Self> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::empty()),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
        };
        let mode = file.metadata()?.mode();
        ensure!(
            mode & 0o077 == 0,
            "{0} can be read by others; keep it to yourself: chmod 600 {0}",
            path.display()
        );
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let read: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a credentials file", path.display()))?;
        ensure!(
            read.version == VERSION,
            "{} is of version {}; this thaw knows version {VERSION}",
            path.display(),
            read.version
        );
        Ok(read)
    }

    /// Whole or not at all, and never readable by others.
    fn write_to(&self, path: &Path) -> Result<()> {
        let folder = path.parent().context("it has no folder")?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

fn path() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = match folder("XDG_CONFIG_HOME") {
        Some(config) => PathBuf::from(config),
        None => PathBuf::from(folder("HOME")?).join(".config"),
    };
    Some(config.join("thaw/credentials"))
}

/// A server's address, always written alike: `localhost` is this machine, as is 127.0.0.1, and a path ends
/// without `/`.
fn named(server: &str) -> String {
    let server = server.trim_end_matches('/').to_ascii_lowercase();
    match server.strip_prefix("http://localhost") {
        Some(rest) if rest.is_empty() || rest.starts_with([':', '/']) => {
            format!("http://127.0.0.1{rest}")
        }
        _ => server,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_key_is_kept_for_its_server_and_for_nobody_else_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/credentials");
        let mut credentials = Credentials::read_from(&path).unwrap();
        let entry = Entry {
            key: "thaw_1".to_owned(),
        };
        credentials
            .servers
            .insert(named("http://LOCALHOST:8000/"), entry);
        credentials.write_to(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let read = Credentials::read_from(&path).unwrap();
        assert_eq!(read.key("http://127.0.0.1:8000").as_deref(), Some("thaw_1"));
        for other in [
            "http://127.0.0.1:8001",
            "https://127.0.0.1:8000",
            "http://localhost.evil:8000",
        ] {
            assert_eq!(read.key(other), None, "{other}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = Credentials::read_from(&path).err().unwrap();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
