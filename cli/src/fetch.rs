//! Takes a file from where a user has it: a path, `file://`, or a URL.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use thaw_api_types::ProgressEvent;

/// How long a server may take to accept a connection, and how long it may be silent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes between two reports.
const REPORT_EVERY_BYTES: u64 = 4 << 20;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On this machine.
    Path(PathBuf),
    /// At an `http://` or `https://` server.
    Url(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text.is_empty() => Err("it is empty".to_owned()),
            None => Ok(Self::Path(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Path(path.into())),
            Some(("file", _)) => Err("file:// takes an absolute path: file:///…".to_owned()),
            Some(("http" | "https", _)) => Ok(Self::Url(text.to_owned())),
            Some((scheme, _)) => Err(format!(
                "{scheme}:// can't be fetched; give a path, file://, http:// or https://"
            )),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// A SHA-256 in hex, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sha256Hex(String);

impl FromStr for Sha256Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a SHA-256 has 64 hex digits".to_owned());
        }
        Ok(Self(hex.to_ascii_lowercase()))
    }
}

/// Copies `origin` into a file of its own in `folder`, and checks it where a sum is given.
///
/// # Errors
/// When it can't be had, or is not what the sum says; nothing is left then.
pub(crate) async fn fetch(
    origin: &Origin,
    expected: Option<&Sha256Hex>,
    folder: &Path,
    mut report: impl FnMut(&ProgressEvent),
) -> Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix_in(".fetch-", folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    let mut taking = Taking {
        file,
        sum: Sha256::new(),
        done: 0,
        reported: 0,
    };
    match origin {
        Origin::Path(path) => {
            let source = File::open(path).with_context(|| format!("opening {origin}"))?;
            let total = source.metadata()?.len();
            taking
                .copy(source, |done| report(&event(origin, done, Some(total))))
                .with_context(|| format!("copying {origin}"))?;
        }
        Origin::Url(url) => {
            taking
                .download(url, |done, total| report(&event(origin, done, total)))
                .await
                .with_context(|| format!("downloading {origin}"))?;
        }
    }
    let found = hex::encode(taking.sum.finalize());
    if let Some(Sha256Hex(expected)) = expected
        && *expected != found
    {
        bail!("{origin} has the SHA-256 {found} and not {expected}: it is not what was asked for");
    }
    Ok(taking.file)
}

fn event(origin: &Origin, done: u64, total: Option<u64>) -> ProgressEvent {
    ProgressEvent {
        message: format!("fetching {origin}"),
        done_bytes: Some(done),
        total_bytes: total,
    }
}

/// A file that is being written.
struct Taking {
    file: NamedTempFile,
    sum: Sha256,
    done: u64,
    reported: u64,
}

impl Taking {
    fn copy(&mut self, mut source: impl Read, mut report: impl FnMut(u64)) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = source.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            if self.take(&buffer[..n])? {
                report(self.done);
            }
        }
    }

    async fn download(
        &mut self,
        url: &str,
        mut report: impl FnMut(u64, Option<u64>),
    ) -> Result<()> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        let mut response = client.get(url).send().await?;
        ensure!(
            response.status().is_success(),
            "the server answers {}",
            response.status()
        );
        let total = response.content_length();
        while let Some(piece) = response.chunk().await? {
            if self.take(&piece)? {
                report(self.done, total);
            }
        }
        Ok(())
    }

    /// Writes a piece; whether it is time to report.
    fn take(&mut self, piece: &[u8]) -> io::Result<bool> {
        self.file.write_all(piece)?;
        self.sum.update(piece);
        self.done += piece.len() as u64;
        let due = self.done - self.reported >= REPORT_EVERY_BYTES;
        if due {
            self.reported = self.done;
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart_and_other_schemes_refused() {
        let path = |text: &str| Origin::Path(text.into());
        assert_eq!("a/b.tar".parse(), Ok(path("a/b.tar")));
        assert_eq!("file:///a/b.tar".parse(), Ok(path("/a/b.tar")));
        let url = "https://example.org/x";
        assert_eq!(url.parse(), Ok(Origin::Url(url.to_owned())));
        for bad in ["", "file://relative", "ftp://example.org/x"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_file_is_copied_and_refused_when_its_sum_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("given");
        std::fs::write(&file, b"hello").unwrap();
        let origin = Origin::Path(file);
        let right = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let right: Sha256Hex = right.parse().unwrap();
        let taken = fetch(&origin, Some(&right), folder.path(), |_| {}).await;
        assert_eq!(std::fs::read(taken.unwrap().path()).unwrap(), b"hello");
        let wrong: Sha256Hex = "0".repeat(64).parse().unwrap();
        let refused = fetch(&origin, Some(&wrong), folder.path(), |_| {}).await;
        assert!(refused.unwrap_err().to_string().contains("2cf24dba"));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "only what was given stays");
    }
}
