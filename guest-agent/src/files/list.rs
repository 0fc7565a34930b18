//! The entries of a folder, a page at a time.

use std::{
    collections::BinaryHeap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use thaw_guest_protocol::{DATA_CHUNK_BYTES, FailureKind, Reply};

use super::{
    failure::{failed, refused},
    info::{describe, stat},
    pipe::Outgoing,
};
use crate::failure::OperationError;

/// The largest page; it bounds the names that are held at once.
const MAX_ENTRIES: u32 = 10_000;

/// Sends the entries that come after a name, as many as were asked for.
pub(super) fn list(
    path: &Path,
    after: Option<Vec<u8>>,
    limit: u32,
    mut out: Outgoing,
) -> Result<Reply, OperationError> {
    let cannot = |error| failed("list", path, &error);
    let folder = stat(path)?;
    let limit = limit.clamp(1, MAX_ENTRIES) as usize;
    let (names, more) = page(path, after.as_deref(), limit)?;
    out.begin(Reply::File(folder)).map_err(cannot)?;
    let mut array = vec![b'['];
    for name in names {
        let entry = path.join(&name);
        // It may have been removed since its name was read.
        let Ok(metadata) = fs::symlink_metadata(&entry) else {
            continue;
        };
        let info = serde_json::to_vec(&describe(&name, &entry, &metadata))
            .map_err(|error| refused(FailureKind::System, path, &error.to_string()))?;
        if array.len() + info.len() + 1 > DATA_CHUNK_BYTES && array.len() > 1 {
            send(&mut out, std::mem::replace(&mut array, vec![b'['])).map_err(cannot)?;
        }
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(&info);
    }
    send(&mut out, array).map_err(cannot)?;
    Ok(Reply::Listed { more })
}

fn send(out: &mut Outgoing, mut array: Vec<u8>) -> std::io::Result<()> {
    array.push(b']');
    out.send_piece(array)
}

/// The first names after one, in order, and whether there are more. However large the folder, no more
/// than a page of names is held.
fn page(
    path: &Path,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<(Vec<OsString>, bool), OperationError> {
    let cannot = |error| failed("list", path, &error);
    let mut page = BinaryHeap::new();
    let mut more = false;
    for entry in fs::read_dir(path).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        if after.is_some_and(|after| name.as_os_str() <= OsStr::from_bytes(after)) {
            continue;
        }
        page.push(name);
        if page.len() > limit {
            page.pop();
            more = true;
        }
    }
    Ok((page.into_sorted_vec(), more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "d", "c", "e"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut seen = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (names, more) = page(folder.path(), after.as_deref(), 2).unwrap();
            after = names.last().map(|name| name.as_bytes().to_vec());
            seen.extend(names);
            if !more {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
