//! `thaw vm cp`

use std::{
    fs,
    io::Write as _,
    os::{fd::AsFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::NamedTempFile;
use thaw_api_types::{
    ErrorCode, FileInfo, FileKind,
    client::{Client, ClientError, Content, Download, WriteFile},
};
use tokio::{io::AsyncRead, task::spawn_blocking};
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::{
    local::{pack, unpack},
    place::Place,
};
use crate::{
    arguments::VmCopy,
    exit::Exit,
    output::{self, Meter},
    server::connect,
};

/// How much is read at once.
const PIECE_BYTES: usize = 256 * 1024;

pub(super) async fn run(copy: VmCopy) -> Result<Exit> {
    let client = connect(&copy.connection)?;
    let copying = async {
        match (Place::parse(&copy.from)?, Place::parse(&copy.to)?) {
            (Place::Here(from), Place::There { vm, path }) => {
                let done = up(&client, &from, &vm, &path).await?;
                if copy.connection.json {
                    output::json(&done)?;
                }
            }
            (Place::Stream, Place::There { vm, path }) => {
                let input = std::io::stdin().as_fd().try_clone_to_owned()?;
                let input = counted(tokio::fs::File::from_std(input.into()), None);
                let how = WriteFile::default();
                let done = client.write_file(&vm, path.as_bytes(), how, input).await?;
                if copy.connection.json {
                    output::json(&done)?;
                }
            }
            (Place::There { vm, path }, Place::Here(to)) => {
                let copied = down(&client, &vm, &path, &to).await?;
                if copy.connection.json {
                    output::json(&copied)?;
                }
            }
            (Place::There { vm, path }, Place::Stream) => {
                copy.connection.prints_bytes("a file")?;
                let mut content = client.read_file(&vm, path.as_bytes(), 0, None).await?;
                let mut out = std::io::stdout().lock();
                while let Some(piece) = content.next().await? {
                    out.write_all(&piece)?;
                }
                out.flush()?;
            }
            (Place::There { .. }, Place::There { .. }) => {
                bail!("a VM's files can be copied here first, and then into the other VM")
            }
            _ => bail!("one of the two must be in a VM: NAME:/path"),
        }
        Ok(Exit::SUCCESS)
    };
    tokio::select! {
        copied = copying => copied,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(Exit::INTERRUPTED)
        }
    }
}

/// Into a VM.
async fn up(client: &Client, from: &Path, vm: &str, path: &str) -> Result<FileInfo> {
    let metadata = fs::metadata(from).with_context(|| format!("reading {}", from.display()))?;
    let path = match there(client, vm, path).await? {
        Some(info) if info.kind == FileKind::Directory => into(path, from)?,
        None if path.ends_with('/') && !metadata.is_dir() => {
            bail!("there is no folder {vm}:{path}")
        }
        _ => path.to_owned(),
    };
    if metadata.is_dir() {
        let (writer, reader) = tokio::io::duplex(PIECE_BYTES);
        let writer = SyncIoBridge::new(writer);
        let folder = from.to_owned();
        let packing = spawn_blocking(move || pack(&folder, writer));
        let sent = client.unpack_files(vm, path.as_bytes(), counted(reader, None));
        let sent = sent.await;
        // A file that can't be read is the reason why the archive broke off.
        if let Err(error) = packing.await?
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(error).with_context(|| format!("reading {}", from.display()));
        }
        return Ok(sent?);
    }
    ensure!(metadata.is_file(), "{} is no file", from.display());
    let file = tokio::fs::File::open(from).await;
    let file = file.with_context(|| format!("reading {}", from.display()))?;
    let how = WriteFile {
        mode: Some(metadata.permissions().mode() & 0o777),
        ..WriteFile::default()
    };
    let content = counted(file, Some(metadata.len()));
    Ok(client.write_file(vm, path.as_bytes(), how, content).await?)
}

/// Out of a VM; returns what was copied.
async fn down(client: &Client, vm: &str, path: &str, to: &Path) -> Result<FileInfo> {
    // With the slash, a link to a folder is that folder.
    let slashed = format!("{}/", path.trim_end_matches('/'));
    let folder = there(client, vm, &slashed).await?;
    let to = if to.is_dir() {
        let name = path.trim_end_matches('/').rsplit('/').next();
        let name = name.filter(|name| !name.is_empty() && *name != "..");
        to.join(name.unwrap_or("."))
    } else {
        to.to_owned()
    };
    if let Some(folder) = folder.filter(|info| info.kind == FileKind::Directory) {
        let archive = client.pack_files(vm, slashed.as_bytes()).await?;
        let archive = SyncIoBridge::new(StreamReader::new(shown(archive)));
        spawn_blocking(move || unpack(archive, &to)).await??;
        return Ok(folder);
    }
    let info = client.files(vm, path.as_bytes(), None, Some(0)).await?.file;
    let content = client.read_file(vm, path.as_bytes(), 0, None).await?;
    save(content, &to, &info).await?;
    Ok(info)
}

/// A file appears whole or not at all.
async fn save(content: Download, to: &Path, info: &FileInfo) -> Result<()> {
    let at = |what: &str| format!("{what} {}", to.display());
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut file = NamedTempFile::new_in(folder).with_context(|| at("making"))?;
    let mut pieces = shown(content);
    while let Some(piece) = futures::StreamExt::next(&mut pieces).await {
        file.write_all(&piece.context("the content is not whole")?)
            .with_context(|| at("writing"))?;
    }
    // Nothing of a VM runs here with rights of its own: no setuid.
    let mode = u32::from_str_radix(&info.mode, 8).unwrap_or(0o644) & 0o777;
    let mode = if info.kind == FileKind::File {
        mode
    } else {
        0o644
    };
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    file.persist(to).with_context(|| at("writing"))?;
    Ok(())
}

/// What is at a path of a VM, if anything is.
async fn there(client: &Client, vm: &str, path: &str) -> Result<Option<FileInfo>> {
    match client.files(vm, path.as_bytes(), None, Some(0)).await {
        Ok(listing) => Ok(Some(listing.file)),
        Err(ClientError::Refused(detail))
            if matches!(
                detail.code,
                ErrorCode::FileNotFound | ErrorCode::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The path of something from here in a folder there.
fn into(folder: &str, from: &Path) -> Result<String> {
    let real = fs::canonicalize(from).with_context(|| format!("reading {}", from.display()))?;
    let name = real.file_name().unwrap_or_default();
    let name = name
        .to_str()
        .with_context(|| format!("{} is no text; name the target in full", from.display()))?;
    Ok(format!("{}/{name}", folder.trim_end_matches('/')))
}

/// What is sent, with its progress shown.
fn counted<R: AsyncRead + Send + 'static>(reader: R, total: Option<u64>) -> Content {
    let mut meter = Meter::new("copying", total);
    let pieces = ReaderStream::with_capacity(reader, PIECE_BYTES);
    let pieces = futures::StreamExt::inspect(pieces, move |piece| {
        if let Ok(piece) = piece {
            meter.add(piece.len());
        }
    });
    Content::new(pieces, total)
}

/// What comes, with its progress shown.
fn shown(
    content: Download,
) -> impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Send + Unpin {
    let mut meter = Meter::new("copying", content.length_bytes());
    futures::StreamExt::inspect(content.into_stream(), move |piece| {
        if let Ok(piece) = piece {
            meter.add(piece.len());
        }
    })
}
