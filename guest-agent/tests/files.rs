//! Files: what is written is read, whole or not at all, and what cannot be done says why.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use support::host::{Host, Talk};
use tempfile::TempDir;
use thaw_guest_protocol::{
    Failure, FailureKind, FileInfo, FileKind, FileOperation as Op, GuestPath, Reply, Request,
};

struct World {
    host: Host,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            host: Host::local(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: impl AsRef<OsStr>) -> GuestPath {
        GuestPath(self.path(name).as_os_str().as_bytes().to_vec())
    }

    fn path(&self, name: impl AsRef<OsStr>) -> std::path::PathBuf {
        self.folder.path().join(name.as_ref())
    }

    async fn start(&self, operation: Op) -> Talk {
        self.host.start(Request::Files(operation)).await
    }

    async fn done(&self, operation: Op) -> Result<Reply, Failure> {
        self.host.call(Request::Files(operation)).await
    }

    async fn read(
        &self,
        name: &str,
        offset_bytes: u64,
        length_bytes: Option<u64>,
        last_bytes: Option<u64>,
    ) -> Result<Vec<u8>, Failure> {
        let read = Op::Read {
            path: self.at(name),
            offset_bytes,
            length_bytes,
            last_bytes,
        };
        let (begun, data, last) = self.start(read).await.content().await?;
        assert!(matches!(begun, Some(Reply::Content { .. })) && last == Reply::Done);
        Ok(data)
    }

    async fn write(&self, operation: Op, content: &[u8]) -> Result<FileInfo, Failure> {
        match self.start(operation).await.upload(content).await? {
            Reply::File(info) => Ok(info),
            other => panic!("{other:?}"),
        }
    }

    /// Everything below, sorted; what an upload had left would be seen here.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn new_file(path: GuestPath) -> Op {
    Op::Write {
        path,
        mode: None,
        append: false,
        parents: false,
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn what_is_written_is_read_byte_for_byte_and_in_parts() {
    let world = World::new();
    let content = pattern(3_000_001);
    let info = world
        .write(new_file(world.at("a file ü")), &content)
        .await
        .unwrap();
    assert_eq!((info.size_bytes, info.mode), (3_000_001, 0o644));
    assert_eq!(info.name, GuestPath::from("a file ü"));
    let name = "a file ü";
    assert!(world.read(name, 0, None, None).await.unwrap() == content);
    assert_eq!(
        world.read(name, 70_000, Some(100_000), None).await.unwrap(),
        content[70_000..170_000]
    );
    assert_eq!(
        world.read(name, 0, None, Some(5)).await.unwrap(),
        content[content.len() - 5..]
    );
    let end = content.len() as u64;
    assert!(world.read(name, end, None, None).await.unwrap().is_empty());
    let beyond = world.read(name, end + 1, None, None).await.unwrap_err();
    assert_eq!(beyond.kind, FailureKind::OutOfRange);
    assert!(
        !world
            .read("/proc/self/status", 0, None, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_file_that_is_replaced_keeps_its_mode_and_one_added_to_its_content() {
    let world = World::new();
    fs::write(world.path("script"), "old").unwrap();
    fs::set_permissions(world.path("script"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("script", world.path("link")).unwrap();
    let info = world
        .write(new_file(world.at("link")), b"new")
        .await
        .unwrap();
    assert_eq!((info.kind, info.mode), (FileKind::File, 0o750));
    assert_eq!(fs::read(world.path("script")).unwrap(), b"new");
    let add = |name: &str| Op::Write {
        path: world.at(name),
        mode: Some(0o600),
        append: true,
        parents: true,
    };
    world.write(add("script"), b" and more").await.unwrap();
    assert_eq!(fs::read(world.path("script")).unwrap(), b"new and more");
    world.write(add("made/on/the/way"), b"x").await.unwrap();
    let made = fs::metadata(world.path("made/on/the/way")).unwrap();
    assert_eq!(made.mode() & 0o7777, 0o600);
    world.write(new_file(world.at("empty")), b"").await.unwrap();
    assert_eq!(fs::read(world.path("empty")).unwrap(), b"");
}

#[tokio::test]
async fn a_host_that_leaves_half_way_leaves_no_half_file() {
    let world = World::new();
    fs::write(world.path("kept"), "whole").unwrap();
    fs::write(world.path("log"), "line\n").unwrap();
    for append in [false, true] {
        let names: &[&str] = if append { &["log"] } else { &["kept", "fresh"] };
        for name in names {
            let write = Op::Write {
                path: world.at(name),
                mode: None,
                append,
                parents: false,
            };
            let mut talk = world.start(write).await;
            assert!(talk.data(&pattern(500_000)).await);
            // The first bytes are there, beside the file or in it, before the host leaves.
            let written = async || {
                let bytes: u64 = fs::read_dir(world.folder.path())
                    .unwrap()
                    .filter_map(|entry| entry.ok()?.metadata().ok())
                    .map(|metadata| metadata.len())
                    .sum();
                bytes > 100_000
            };
            until(written).await;
            drop(talk);
            until(async || world.names() == ["kept", "log"]).await;
        }
    }
    until(async || fs::read(world.path("log")).unwrap() == b"line\n").await;
    assert_eq!(fs::read(world.path("kept")).unwrap(), b"whole");
}

async fn until(is: impl AsyncFn() -> bool) {
    let looking = async {
        while !is().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), looking)
        .await
        .expect("it never came to be");
}

#[tokio::test]
async fn reasons_why_a_file_can_not_be_had_are_told_apart() {
    let world = World::new();
    fs::create_dir(world.path("folder")).unwrap();
    fs::write(world.path("file"), "x").unwrap();
    symlink("nowhere", world.path("dangling")).unwrap();
    mkfifo(&world.path("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    let read = async |name: &str| world.read(name, 0, None, None).await.unwrap_err().kind;
    assert_eq!(read("none").await, FailureKind::NotFound);
    assert_eq!(read("folder").await, FailureKind::IsADirectory);
    assert_eq!(read("file/x").await, FailureKind::NotADirectory);
    // Neither waits for somebody at the other end.
    assert_eq!(read("pipe").await, FailureKind::NotAFile);
    assert_eq!(read("/dev/zero").await, FailureKind::NotAFile);
    assert_eq!(read(&"n".repeat(300)).await, FailureKind::NameTooLong);
    assert_eq!(read("a\0b").await, FailureKind::BadRequest);
    let write = async |name: &str| {
        let failure = world
            .write(new_file(world.at(name)), &pattern(2_000_000))
            .await;
        failure.unwrap_err().kind
    };
    assert_eq!(write("folder").await, FailureKind::IsADirectory);
    assert_eq!(write("none/x").await, FailureKind::NotFound);
    assert_eq!(write("file/x").await, FailureKind::NotADirectory);
    assert_eq!(write("pipe").await, FailureKind::NotAFile);
    assert_eq!(write("dangling").await, FailureKind::NotFound);
    let stat = async |path: GuestPath| world.done(Op::Stat { path }).await.unwrap_err().kind;
    assert_eq!(
        stat(GuestPath::from("relative")).await,
        FailureKind::BadRequest
    );
    assert_eq!(stat(GuestPath::from("")).await, FailureKind::BadRequest);
    let long = GuestPath(b"/x".repeat(100_000));
    assert_eq!(stat(long).await, FailureKind::NameTooLong);
}

#[tokio::test]
async fn folders_are_made_moved_and_removed() {
    let world = World::new();
    let make = |name: &str, parents| Op::MakeDirectory {
        path: world.at(name),
        parents,
        mode: Some(0o700),
    };
    let kind = async |op| world.done(op).await.unwrap_err().kind;
    assert_eq!(kind(make("a/b/c", false)).await, FailureKind::NotFound);
    world.done(make("a/b/c", true)).await.unwrap();
    world.done(make("a/b/c", true)).await.unwrap();
    assert_eq!(kind(make("a", false)).await, FailureKind::Exists);
    assert_eq!(
        fs::metadata(world.path("a/b/c")).unwrap().mode() & 0o777,
        0o700
    );
    fs::write(world.path("a/file"), "x").unwrap();
    let shift = |from: &str, to: &str, overwrite| Op::Move {
        from: world.at(from),
        to: world.at(to),
        overwrite,
    };
    world.done(shift("a", "z", false)).await.unwrap();
    fs::write(world.path("other"), "y").unwrap();
    assert_eq!(
        kind(shift("other", "z/file", false)).await,
        FailureKind::Exists
    );
    world.done(shift("other", "z/file", true)).await.unwrap();
    assert_eq!(fs::read(world.path("z/file")).unwrap(), b"y");
    assert_eq!(kind(shift("none", "x", false)).await, FailureKind::NotFound);
    // To another file system.
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    let to = there.path().join("moved");
    world
        .done(shift("z/file", to.to_str().unwrap(), false))
        .await
        .unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"y");
    assert!(!world.path("z/file").exists());
    let gone = |name: &str, recursive| Op::Remove {
        path: world.at(name),
        recursive,
    };
    assert_eq!(kind(gone("z", false)).await, FailureKind::NotEmpty);
    symlink("/etc", world.path("z/etc")).unwrap();
    world.done(gone("z", true)).await.unwrap();
    assert!(Path::new("/etc/passwd").exists());
    assert_eq!(kind(gone("z", true)).await, FailureKind::NotFound);
    assert_eq!(kind(gone("/", true)).await, FailureKind::BadRequest);
    assert_eq!(kind(gone("/tmp/..", true)).await, FailureKind::BadRequest);
}

#[tokio::test]
async fn a_list_has_every_name_also_those_that_are_no_text() {
    let world = World::new();
    let odd: &[&[u8]] = &[
        b"plain",
        b"with space",
        "\u{fc}".as_bytes(),
        b"\xff\xfe",
        b"new\nline",
    ];
    for name in odd {
        fs::write(world.path(OsStr::from_bytes(name)), "1").unwrap();
    }
    for n in 0..2000 {
        fs::write(world.path(format!("{n:0>200}")), "").unwrap();
    }
    symlink("plain", world.path("zlink")).unwrap();
    let mut all: Vec<FileInfo> = Vec::new();
    loop {
        let list = Op::List {
            path: world.at(""),
            after: all.last().map(|info| info.name.clone()),
            limit: 1000,
        };
        let mut talk = world.start(list).await;
        let more = loop {
            let frame = talk.frame().await.unwrap();
            match frame.json::<Vec<FileInfo>>() {
                Ok(page) => all.extend(page),
                Err(_) => {
                    if let Ok(Reply::Listed { more }) = frame.json() {
                        break more;
                    }
                }
            }
        };
        if !more {
            break;
        }
    }
    assert_eq!(all.len(), 2006);
    for name in odd {
        assert!(all.iter().any(|info| info.name.0 == *name), "{name:?}");
    }
    let is_link = |info: &&FileInfo| info.name == GuestPath::from("zlink");
    let link = all.iter().find(is_link).unwrap();
    assert_eq!(link.kind, FileKind::Symlink);
    assert_eq!(link.target, Some(GuestPath::from("plain")));
    let failure = world
        .start(Op::List {
            path: world.at("plain"),
            after: None,
            limit: 10,
        })
        .await
        .content()
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotADirectory);
}

#[tokio::test]
async fn a_folder_comes_back_from_an_archive_as_it_was() {
    let world = World::new();
    fs::create_dir_all(world.path("from/deep/er")).unwrap();
    fs::write(world.path("from/deep/er/data"), pattern(100_000)).unwrap();
    fs::write(world.path(OsStr::from_bytes(b"from/\xff name")), "odd").unwrap();
    fs::write(world.path(format!("from/{}", "l".repeat(200))), "long").unwrap();
    fs::set_permissions(world.path("from/deep"), fs::Permissions::from_mode(0o711)).unwrap();
    symlink("deep/er", world.path("from/link")).unwrap();
    mkfifo(&world.path("from/pipe"), Mode::from_bits_truncate(0o640)).unwrap();
    let pack = |name: &str| Op::Pack {
        path: world.at(name),
    };
    let (_, archive, _) = world.start(pack("from")).await.content().await.unwrap();
    let unpack = |name: &str| Op::Unpack {
        path: world.at(name),
    };
    world.write(unpack("to/there"), &archive).await.unwrap();
    let to = |name: &str| world.path(format!("to/there/{name}"));
    assert_eq!(fs::read(to("deep/er/data")).unwrap(), pattern(100_000));
    assert_eq!(fs::metadata(to("deep")).unwrap().mode() & 0o777, 0o711);
    assert_eq!(fs::read_link(to("link")).unwrap(), Path::new("deep/er"));
    assert_eq!(
        fs::symlink_metadata(to("pipe")).unwrap().mode() & 0o777,
        0o640
    );
    assert_eq!(fs::read(to(&"l".repeat(200))).unwrap(), b"long");
    assert!(
        world
            .path(OsStr::from_bytes(b"to/there/\xff name"))
            .exists()
    );
    // One file is an archive of one entry.
    let (_, archive, _) = world
        .start(pack("from/deep/er/data"))
        .await
        .content()
        .await
        .unwrap();
    let mut archive = tar::Archive::new(&archive[..]);
    let mut entries = archive.entries().unwrap();
    let mut entry = entries.next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap(), Path::new("data"));
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    assert!(content == pattern(100_000));
    drop(entry);
    assert!(entries.next().is_none());
}

#[tokio::test]
async fn an_archive_that_is_cut_off_or_none_leaves_no_half_file() {
    let world = World::new();
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["first", "second"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(400_000);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &pattern(400_000)[..])
            .unwrap();
    }
    let archive = tar.into_inner().unwrap();
    let unpack = || Op::Unpack {
        path: world.at("to"),
    };
    let mut talk = world.start(unpack()).await;
    assert!(talk.data(&archive[..600_000]).await);
    drop(talk);
    until(async || {
        let names = fs::read_dir(world.path("to")).map_or(0, Iterator::count);
        names == 1 && world.path("to/first").exists()
    })
    .await;
    let kind = async |archive: &[u8]| world.write(unpack(), archive).await.unwrap_err().kind;
    assert_eq!(kind(&archive[..600_000]).await, FailureKind::BadData);
    assert_eq!(kind(b"").await, FailureKind::BadData);
    assert_eq!(kind(&pattern(5000)).await, FailureKind::BadData);
    for (name, link) in [
        ("../out", None),
        ("/tmp/out", None),
        ("l/out", Some("/tmp")),
    ] {
        assert_eq!(kind(&leading_out(name, link)).await, FailureKind::BadData);
    }
    assert_eq!(fs::read_dir(world.path("to")).unwrap().count(), 2);
    assert!(!world.path("out").exists() && !Path::new("/tmp/out").exists());
}

/// An archive with a name that the crate itself would not write.
fn leading_out(name: &str, link: Option<&str>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    if let Some(target) = link {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "l", target).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn a_host_that_reads_nothing_holds_up_its_own_file_and_nobody_else() {
    let world = World::new();
    fs::write(world.path("large"), pattern(8 << 20)).unwrap();
    let slow = world
        .start(Op::Read {
            path: world.at("large"),
            offset_bytes: 0,
            length_bytes: None,
            last_bytes: None,
        })
        .await;
    for _ in 0..20 {
        assert_eq!(
            world.read("large", 0, Some(10), None).await.unwrap().len(),
            10
        );
    }
    assert!(slow.content().await.unwrap().1 == pattern(8 << 20));
}

#[tokio::test]
async fn a_very_deep_tree_is_removed_and_does_not_end_the_agent() {
    let world = World::new();
    let mut fd = fs::File::open(world.folder.path()).unwrap();
    for _ in 0..3000 {
        nix::sys::stat::mkdirat(&fd, "d", Mode::S_IRWXU).unwrap();
        let next = nix::fcntl::openat(
            &fd,
            "d",
            nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_DIRECTORY,
            Mode::empty(),
        );
        fd = next.unwrap().into();
    }
    drop(fd);
    // An archive can't name it, which is said and not suffered.
    let pack = world.start(Op::Pack { path: world.at("") }).await;
    assert_eq!(
        pack.content().await.unwrap_err().kind,
        FailureKind::NameTooLong
    );
    let remove = Op::Remove {
        path: world.at("d"),
        recursive: true,
    };
    // Each level takes a descriptor: with too few of them it is refused.
    if let Err(failure) = world.done(remove).await {
        assert_eq!(failure.kind, FailureKind::Exhausted);
    }
    assert_eq!(world.host.shell("echo here").await.out(), "here\n");
}
