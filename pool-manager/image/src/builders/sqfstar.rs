//! Writes a tree as a read-only squashfs (squashfs-tools 4.5 or newer).

use std::io::{self, BufWriter};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use crate::builders::BuilderError;
use crate::builders::group::{Group, Program};
use crate::builders::root_time::set_root_time;
use crate::layers::{Tree, compose};
use crate::progress::Progress;
use crate::work::Work;

pub(crate) const TOOL: &str = "sqfstar";
pub(crate) const PACKAGE: &str = "squashfs-tools";

/// How often progress is reported, in bytes of files.
const REPORT_EVERY_BYTES: u64 = 4 << 20;

/// Writes `tree` to `out`, which must not exist.
///
/// Nothing is compressed, because a guest under software emulation pays for decompression with every page that it reads (see
/// ADR 2). The superblock's time is 0 and names are fed sorted, so equal trees give equal files.
///
/// # Cancel safety
/// Dropping the future kills the builder; what it wrote lies in the staging folder.
pub(crate) async fn write_squashfs(
    work: &Work,
    tree: Tree,
    out: &Path,
) -> Result<(), BuilderError> {
    let root = tree.inode(tree.root()).meta.clone();
    let mut arguments: Vec<std::ffi::OsString> = [
        "-noI",
        "-noD",
        "-noF",
        "-noX",
        "-no-progress",
        "-exit-on-error",
    ]
    .map(Into::into)
    .to_vec();
    for (option, value) in [
        ("-mkfs-time", "0".to_owned()),
        ("-mem", "256M".to_owned()),
        ("-root-mode", format!("{:o}", root.mode)),
        ("-root-uid", root.uid.to_string()),
        ("-root-gid", root.gid.to_string()),
    ] {
        arguments.extend([option.into(), value.into()]);
    }
    arguments.push(out.into());
    let mut group = Group::start(Program {
        tool: TOOL,
        package: PACKAGE,
        arguments,
        environment: Vec::new(),
        stdin: Stdio::piped(),
        stdout: Stdio::null(),
        folder: work.folder().to_owned(),
        mounts: false,
    })?;
    let feed_error = |source| BuilderError::Feed { tool: TOOL, source };
    let stdin = group
        .take_stdin()
        .ok_or_else(|| feed_error(io::ErrorKind::BrokenPipe.into()))?;
    let stdin = std::fs::File::from(stdin.into_owned_fd().map_err(feed_error)?);
    let (feeding, work) = (Arc::new(tree), work.clone());
    let feeder = tokio::task::spawn_blocking(move || feed(&work, &feeding, stdin));
    let finished = group.finish(|_| {}).await;
    let fed = feeder
        .await
        .map_err(|panic| feed_error(io::Error::other(panic)))?;
    // When the builder fails its own words say more than our broken pipe.
    finished?;
    fed.map_err(feed_error)?;
    set_root_time(out, root.mtime).map_err(feed_error)
}

fn feed(work: &Work, tree: &Tree, stdin: std::fs::File) -> io::Result<()> {
    let bytes_total = tree.content_bytes();
    let mut reported = 0;
    let out = BufWriter::with_capacity(256 * 1024, stdin);
    let after = |bytes_done: u64| {
        if work.cancelled.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if bytes_done - reported >= REPORT_EVERY_BYTES || bytes_done == 0 {
            reported = bytes_done;
            work.report(Progress::WritingRoot {
                bytes_done,
                bytes_total,
            });
        }
        Ok(())
    };
    compose(tree, out, after).map(drop)
}
