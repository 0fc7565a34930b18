//! Between the interface's types and the guest's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thaw_api_types::{FileInfo, FileKind};
use thaw_runner::node::vmm::protocol::{self, GuestPath};

use super::query::check_path;

pub(super) fn file(info: protocol::FileInfo) -> FileInfo {
    let (name, name_base64) = text(&info.name);
    let (target, target_base64) = info.target.as_ref().map(text).unzip();
    FileInfo {
        name,
        name_base64,
        kind: kind(info.kind),
        size_bytes: info.size_bytes,
        mode: format!("{:04o}", info.mode),
        uid: info.uid,
        gid: info.gid,
        modified_ms: info.modified_ns.div_euclid(1_000_000),
        target,
        target_base64: target_base64.flatten(),
    }
}

/// As text, and as base64 where that is not the same.
fn text(path: &GuestPath) -> (String, Option<String>) {
    let encoded = std::str::from_utf8(&path.0).is_err();
    let encoded = encoded.then(|| STANDARD.encode(&path.0));
    (path.lossy().into_owned(), encoded)
}

fn kind(kind: protocol::FileKind) -> FileKind {
    match kind {
        protocol::FileKind::File => FileKind::File,
        protocol::FileKind::Directory => FileKind::Directory,
        protocol::FileKind::Symlink => FileKind::Symlink,
        protocol::FileKind::Fifo => FileKind::Fifo,
        protocol::FileKind::Socket => FileKind::Socket,
        protocol::FileKind::CharDevice => FileKind::CharDevice,
        protocol::FileKind::BlockDevice => FileKind::BlockDevice,
        protocol::FileKind::Unknown => FileKind::Unknown,
    }
}

/// A path of a JSON body, as text or base64: exactly one of the two.
pub(super) fn path(
    field: &str,
    text: Option<String>,
    encoded: Option<String>,
    problems: &mut Vec<String>,
) -> GuestPath {
    let bytes = match (text, encoded) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => match STANDARD.decode(encoded) {
            Ok(bytes) => bytes,
            Err(error) => {
                problems.push(format!("{field}_base64 is not base64: {error}"));
                return GuestPath(Vec::new());
            }
        },
        _ => {
            problems.push(format!(
                "give {field}, or {field}_base64 if it is not UTF-8"
            ));
            return GuestPath(Vec::new());
        }
    };
    check_path(field, &bytes, problems);
    GuestPath(bytes)
}
