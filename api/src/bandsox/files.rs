//! Files of a VM: looked at and read.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use futures::stream;
use serde_json::{Value, json};
use thaw_runner::{
    RunningInside, VmError,
    node::{
        ExecError, InsideRequest, StreamEvent,
        vmm::protocol::{FailureKind, FileInfo, FileKind, FileOperation, Reply},
    },
};

use super::{
    error::Detail,
    extract::{Asked, Id},
    failure,
    fields::Fields,
    names,
};
use crate::state::App;

/// The largest file that is taken or given inside JSON, in bytes: BandSox's own bound.
pub(super) const MAX_JSON_FILE_BYTES: usize = 256 << 20;

/// Entries of a folder at the most; where there are more, `truncated` is true.
const MAX_ENTRIES: u32 = 100_000;

/// Lists a folder.
pub(crate) async fn list(
    State(app): State<App>,
    Id(id): Id,
    Asked(mut fields): Asked,
) -> Result<Json<Value>, Detail> {
    let path = fields.path("path").unwrap_or_else(|| "/".to_owned());
    fields.finish()?;
    let operation = FileOperation::List {
        path: path.as_str().into(),
        after: None,
        limit: MAX_ENTRIES,
    };
    let began = begin(&app, &id, Wanted::File(&path), operation).await;
    let mut running = began.map_err(|error| {
        let why = error.text();
        match error.status() {
            StatusCode::NOT_FOUND => error,
            _ => error.saying(&format!(
                "Failed to list directory. VM must be running. Error: {why}"
            )),
        }
    })?;
    let mut files = Vec::new();
    loop {
        match next(&app, Wanted::File(&path), &mut running)
            .await
            .map_err(|error| {
                let why = error.text();
                error.saying(&format!(
                    "Failed to list directory. VM must be running. Error: {why}"
                ))
            })? {
            StreamEvent::Data(bytes) => {
                let entries: Vec<FileInfo> =
                    serde_json::from_slice(&bytes).map_err(|_| nonsense())?;
                files.extend(entries.iter().map(|entry| listed(&path, entry)));
            }
            StreamEvent::Begun(_) | StreamEvent::End => {}
            StreamEvent::Done(reply) => return Ok(Json(listing(&path, files, &reply))),
        }
    }
}

/// A folder that has more than was listed says so.
fn listing(path: &str, files: Vec<Value>, reply: &Reply) -> Value {
    let mut listing = json!({ "path": path, "files": files });
    if let Reply::Listed { more: true } = reply {
        listing["truncated"] = true.into();
    }
    listing
}

fn listed(folder: &str, entry: &FileInfo) -> Value {
    let name = entry.name.lossy();
    let is_dir = entry.kind == FileKind::Directory;
    json!({
        "name": name,
        "path": format!("{}/{name}", folder.trim_end_matches('/')),
        "size": entry.size_bytes,
        "is_dir": is_dir,
        "is_file": !is_dir,
        "mtime": entry.modified_ns / 1_000_000_000,
    })
}

/// Reads a file as text.
pub(crate) async fn read(
    State(app): State<App>,
    Id(id): Id,
    Asked(fields): Asked,
) -> Result<Json<Value>, Detail> {
    let path = path_of(fields)?;
    let (_, mut running) = open(&app, &id, &path).await?;
    let mut content = Vec::new();
    loop {
        match next(&app, Wanted::File(&path), &mut running).await? {
            StreamEvent::Data(bytes) => {
                if content.len() + bytes.len() > MAX_JSON_FILE_BYTES {
                    return Err(Detail::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        format!(
                            "{path} is larger than {MAX_JSON_FILE_BYTES} bytes; download it instead"
                        ),
                    ));
                }
                content.extend_from_slice(&bytes);
            }
            StreamEvent::Begun(_) | StreamEvent::End => {}
            StreamEvent::Done(_) => break,
        }
    }
    let content = String::from_utf8_lossy(&content);
    Ok(Json(json!({ "path": path, "content": content })))
}

/// Sends a file as it is, however large.
pub(crate) async fn download(
    State(app): State<App>,
    Id(id): Id,
    Asked(fields): Asked,
) -> Result<Response, Detail> {
    let path = path_of(fields)?;
    let opened = open(&app, &id, &path).await;
    let (length, running) = opened.map_err(|error| {
        let why = error.text();
        match error.status() {
            StatusCode::NOT_FOUND => error,
            _ => error.saying(&format!("Failed to download file: {why}")),
        }
    })?;
    let pieces = stream::unfold(Some(running), async |running| {
        let mut running = running?;
        loop {
            match running.next().await {
                Ok(StreamEvent::Data(bytes)) => return Some((Ok(bytes), Some(running))),
                Ok(StreamEvent::Begun(_) | StreamEvent::End) => {}
                Ok(StreamEvent::Done(_)) => return None,
                // The answer ends before its length: the client sees that it was cut off.
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    // Whatever it is: BandSox's client takes JSON apart.
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Ok(value) = HeaderValue::try_from(disposition(&path)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// A file's name for a browser: in ASCII, and whole by RFC 6266 where it is more than that.
fn disposition(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%');
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) || c == ' ' { c } else { '_' })
        .collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Tells a file's size, mode and time.
pub(crate) async fn info(
    State(app): State<App>,
    Id(id): Id,
    Asked(fields): Asked,
) -> Result<Json<Value>, Detail> {
    let path = path_of(fields)?;
    let operation = FileOperation::Stat {
        path: path.as_str().into(),
    };
    let Reply::File(info) = done(&app, &id, &path, operation).await? else {
        return Err(nonsense());
    };
    Ok(Json(json!({
        "path": path,
        "info": {
            "size": info.size_bytes,
            "mode": mode(&info),
            "mtime": info.modified_ns / 1_000_000_000,
        },
    })))
}

/// The mode in octal, with the bits that Go's `FileMode` has beside the permissions
/// (<https://pkg.go.dev/io/fs#FileMode>), because BandSox's agent writes that.
fn mode(info: &FileInfo) -> String {
    let kind: u32 = match info.kind {
        FileKind::File => 0,
        FileKind::Directory => 1 << 31,
        FileKind::Symlink => 1 << 27,
        FileKind::BlockDevice => 1 << 26,
        FileKind::Fifo => 1 << 25,
        FileKind::Socket => 1 << 24,
        FileKind::CharDevice => (1 << 26) | (1 << 21),
        FileKind::Unknown => 1 << 19,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special
        .into_iter()
        .filter(|(unix, _)| info.mode & unix != 0)
        .fold(0, |bits, (_, go)| bits | go);
    format!("{:o}", kind | special | (info.mode & 0o777))
}

fn path_of(mut fields: Fields) -> Result<String, Detail> {
    let path = fields.required_path("path");
    fields.finish()?;
    Ok(path)
}

/// Opens a file for reading; its length, where its file system knows it.
async fn open(app: &App, id: &str, path: &str) -> Result<(Option<u64>, RunningInside), Detail> {
    let operation = FileOperation::Read {
        path: path.into(),
        offset_bytes: 0,
        length_bytes: None,
        last_bytes: None,
    };
    let mut running = begin(app, id, Wanted::File(path), operation).await?;
    match next(app, Wanted::File(path), &mut running).await? {
        StreamEvent::Begun(Reply::Content { length_bytes, .. }) => Ok((length_bytes, running)),
        _ => Err(nonsense()),
    }
}

async fn done(app: &App, id: &str, path: &str, operation: FileOperation) -> Result<Reply, Detail> {
    let wanted = Wanted::Path(path);
    let mut running = begin(app, id, wanted, operation).await?;
    loop {
        if let StreamEvent::Done(reply) = next(app, wanted, &mut running).await? {
            return Ok(reply);
        }
    }
}

/// What is looked for, as BandSox's agent calls it when it is not there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    File(&'a str),
    Path(&'a str),
}

/// Begins something with a file.
pub(super) async fn begin(
    app: &App,
    id: &str,
    wanted: Wanted<'_>,
    operation: FileOperation,
) -> Result<RunningInside, Detail> {
    names::usable_vm(app, id)?;
    match app
        .runner
        .vm_inside(id, InsideRequest::Files(operation))
        .await
    {
        Ok(running) => Ok(running),
        Err(VmError::Exec(error)) => Err(said(app, wanted, error).await),
        Err(error) => Err(failure::used(app, error).await),
    }
}

/// What comes next of it.
pub(super) async fn next(
    app: &App,
    wanted: Wanted<'_>,
    running: &mut RunningInside,
) -> Result<StreamEvent, Detail> {
    match running.next().await {
        Ok(event) => Ok(event),
        Err(error) => Err(said(app, wanted, error).await),
    }
}

/// What the guest said, in the words of BandSox's agent; those have the status 500.
async fn said(app: &App, wanted: Wanted<'_>, error: ExecError) -> Detail {
    let (Wanted::File(path) | Wanted::Path(path)) = wanted;
    let words = match &error {
        ExecError::Refused { kind, message } => match (kind, wanted) {
            (FailureKind::NotFound, Wanted::File(_)) => format!("File not found: {path}"),
            (FailureKind::NotFound, Wanted::Path(_)) => format!("Path not found: {path}"),
            (FailureKind::IsADirectory, _) => format!("Path is a directory: {path}"),
            _ => message.clone(),
        },
        _ => return failure::used(app, VmError::Exec(error)).await,
    };
    Detail::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("Agent error: {words}"),
    )
}

/// What the guest said makes no sense here.
pub(super) fn nonsense() -> Detail {
    Detail::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the guest answered something else than was asked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_has_more_than_is_listed_says_so() {
        let listed = |more| listing("/x", Vec::new(), &Reply::Listed { more });
        assert_eq!(listed(false), json!({ "path": "/x", "files": [] }));
        assert_eq!(
            listed(true),
            json!({ "path": "/x", "files": [], "truncated": true })
        );
    }

    #[test]
    fn any_name_can_be_downloaded() {
        assert_eq!(
            disposition("/a/b c.txt"),
            "attachment; filename=\"b c.txt\""
        );
        assert_eq!(
            disposition("/gr\u{fc}n\".txt"),
            "attachment; filename=\"gr_n_.txt\"; filename*=UTF-8''gr%C3%BCn%22%2Etxt"
        );
    }

    #[test]
    fn modes_are_written_as_go_writes_them() {
        let info = |kind, mode| FileInfo {
            name: "x".into(),
            kind,
            size_bytes: 0,
            mode,
            uid: 0,
            gid: 0,
            modified_ns: 0,
            target: None,
        };
        assert_eq!(mode(&info(FileKind::File, 0o644)), "644");
        assert_eq!(mode(&info(FileKind::Directory, 0o1777)), "20004000777");
    }
}
