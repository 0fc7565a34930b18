//! Files of a machine.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Stdio,
};

use bytes::Bytes;
use nix::pty::openpty;
use thaw_api_types::{
    FileKind, MakeDirectoryRequest, MoveFileRequest,
    client::{Content, WriteFile},
};

use super::world::{VM, World, answer, pattern, refused};

#[test]
fn files_go_in_and_out_of_a_machine_and_never_half() {
    let world = World::new();
    bytes_come_back_as_they_went(&world);
    ranges_are_heeded(&world);
    bad_paths_are_refused_and_none_is_the_hosts(&world);
    an_upload_that_is_cut_off_changes_nothing(&world);
    folders_are_listed_made_moved_and_removed(&world);
    the_command_copies_both_ways(&world);
    whoever_waits_sees_how_far_it_is(&world);
}

fn content(bytes: Vec<u8>) -> Content {
    let length = bytes.len() as u64;
    let pieces: Vec<_> = bytes
        .chunks(100_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Content::new(futures::stream::iter(pieces), Some(length))
}

fn put(world: &World, path: &str, bytes: Vec<u8>) {
    let parents = WriteFile {
        parents: true,
        ..WriteFile::default()
    };
    let written = world
        .client
        .write_file(VM, path.as_bytes(), parents, content(bytes));
    world.wait(written).unwrap();
}

fn get(world: &World, path: &[u8]) -> Vec<u8> {
    world.wait(async {
        let mut download = world.client.read_file(VM, path, 0, None).await.unwrap();
        let mut all = Vec::new();
        while let Some(piece) = download.next().await.unwrap() {
            all.extend_from_slice(&piece);
        }
        all
    })
}

fn bytes_come_back_as_they_went(world: &World) {
    let all = pattern(8 << 20);
    put(world, "/srv/a b/ü+%", all.clone());
    assert!(get(world, "/srv/a b/ü+%".as_bytes()) == all);
    let sum = world.shell("sha256sum < '/srv/a b/ü+%' | cut -c1-8; stat -c '%a %u' '/srv/a b/ü+%'");
    let expected = sha256_start(&all);
    assert_eq!(sum, format!("{expected}\n644 0\n"));
    // A name that is no text.
    let odd = b"/srv/\xff\xfe";
    let how = WriteFile {
        mode: Some(0o750),
        ..WriteFile::default()
    };
    let written = world
        .client
        .write_file(VM, odd, how, content(b"odd".to_vec()));
    let info = world.wait(written).unwrap();
    assert_eq!(info.name_base64.as_deref(), Some("//4="));
    assert_eq!(info.mode, "0750");
    assert_eq!(get(world, odd), b"odd");
    assert!(!get(world, b"/proc/version").is_empty());
}

/// By the machine's own program, on what a pipe brings.
fn sha256_start(bytes: &[u8]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the sum of a test's data")]
    let mut child = std::process::Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    String::from_utf8_lossy(&out[..8]).into_owned()
}

fn ranges_are_heeded(world: &World) {
    put(world, "/srv/digits", b"0123456789".to_vec());
    let get = |range: &str| {
        let head =
            format!("GET /v1/vms/{VM}/files/content?path=/srv/digits HTTP/1.1\r\nRange: {range}");
        world.raw(&head, b"")
    };
    let some = get("bytes=2-4");
    assert_eq!((some.status, &some.body[..]), (206, &b"234"[..]));
    assert!(some.has("content-range: bytes 2-4/10"), "{}", some.head);
    assert_eq!(get("bytes=-3").body, b"789");
    assert_eq!(get("bytes=8-100").body, b"89");
    let beyond = get("bytes=10-");
    assert_eq!(beyond.status, 416);
    assert!(beyond.text().contains("range_not_satisfiable"));
    assert_eq!(get("nonsense").body, b"0123456789");
    let head =
        format!("GET /v1/vms/{VM}/files/content?path=/srv/digits&offset=3&length=4 HTTP/1.1");
    let part = world.raw(&head, b"");
    assert_eq!((part.status, &part.body[..]), (200, &b"3456"[..]));
    assert!(part.has("content-length: 4"), "{}", part.head);
}

fn bad_paths_are_refused_and_none_is_the_hosts(world: &World) {
    let status = |path: &str| {
        let head = format!("GET /v1/vms/{VM}/files/content?path={path} HTTP/1.1");
        world.raw(&head, b"").status
    };
    assert_eq!(status("relative"), 422);
    assert_eq!(status("../../etc/passwd"), 422);
    assert_eq!(status("/a%00b"), 422);
    assert_eq!(status(""), 422);
    assert_eq!(status("/none"), 404);
    assert_eq!(status(&format!("/{}", "n".repeat(300))), 422);
    assert_eq!(status(&format!("/{}", "n".repeat(5000))), 422);
    // 1 MiB does not even fit into the head of a request: the server hangs up on it.
    let mut stream = world.connect();
    let long = "n".repeat(1 << 20);
    let sent = write!(
        stream,
        "GET /v1/vms/{VM}/files?path=/{long} HTTP/1.1\r\n\r\n"
    );
    let mut said = Vec::new();
    let heard = std::io::Read::read_to_end(&mut stream, &mut said);
    assert!(sent.is_err() || heard.is_err() || said.starts_with(b"HTTP/1.1 4"));
    let make = MakeDirectoryRequest {
        path: Some(format!("/{}", "n".repeat(1 << 20))),
        ..MakeDirectoryRequest::default()
    };
    let made = world.wait(world.client.make_directory(VM, &make));
    assert_eq!(refused(made), "invalid_request");
    // However far up, it is the machine's own file.
    let climbed = get(world, b"/../../../../../../etc/hostname");
    assert_eq!(climbed, get(world, b"/etc/hostname"));
    assert_ne!(climbed, fs::read("/etc/hostname").unwrap());
    let folder = world.wait(world.client.read_file(VM, b"/srv", 0, None));
    assert_eq!(refused(folder), "is_a_directory");
    let how = WriteFile::default();
    let write = |path: &'static [u8]| {
        let sent = world
            .client
            .write_file(VM, path, how, content(pattern(3 << 20)));
        refused(world.wait(sent))
    };
    assert_eq!(write(b"/no/such/folder/x"), "file_not_found");
    assert_eq!(write(b"/etc"), "is_a_directory");
    assert_eq!(write(b"/dev/null"), "not_a_file");
    let gone = world.client.read_file("no-such-vm", b"/x", 0, None);
    assert_eq!(refused(world.wait(gone)), "vm_not_found");
}

fn an_upload_that_is_cut_off_changes_nothing(world: &World) {
    put(world, "/srv/up/kept", b"whole".to_vec());
    for path in ["/srv/up/kept", "/srv/up/fresh"] {
        let mut stream = world.connect();
        write!(
            stream,
            "PUT /v1/vms/{VM}/files/content?path={path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: 4000000\r\n\r\n"
        )
        .unwrap();
        stream.write_all(&pattern(1_000_000)).unwrap();
        // It has begun to come in when something lies beside the file.
        world.shell_says("ls -A /srv/up | grep -c part", "1\n");
        drop(stream);
        world.shell_says("ls -A /srv/up", "kept\n");
    }
    assert_eq!(get(world, b"/srv/up/kept"), b"whole");
    // Neither does one whose sender says that it has ended.
    let mut stream = world.connect();
    write!(
        stream,
        "PUT /v1/vms/{VM}/files/content?path=/srv/up/fresh HTTP/1.1\r\nHost: localhost\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense"
    )
    .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answer(stream).status, 400);
    world.shell_says("ls -A /srv/up", "kept\n");
}

fn folders_are_listed_made_moved_and_removed(world: &World) {
    let client = &world.client;
    let make = MakeDirectoryRequest {
        path: Some("/srv/tree/deep/er".to_owned()),
        parents: true,
        mode: Some("0700".to_owned()),
        ..MakeDirectoryRequest::default()
    };
    world.wait(client.make_directory(VM, &make)).unwrap();
    world.shell("cd /srv/tree && touch b a && ln -s a link && mkfifo pipe");
    let page = |after: Option<&[u8]>, limit| {
        world
            .wait(client.files(VM, b"/srv/tree", after, Some(limit)))
            .unwrap()
    };
    let first = page(None, 3);
    let names = |listing: &thaw_api_types::FileListing| {
        let entries = listing.entries.iter().flatten();
        entries.map(|info| info.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["a", "b", "deep"]);
    assert!(first.more && first.file.kind == FileKind::Directory);
    let rest = page(Some(b"deep"), 3);
    assert_eq!(names(&rest), ["link", "pipe"]);
    assert!(!rest.more);
    let link = &rest.entries.unwrap()[0];
    assert_eq!(
        (link.kind, link.target.as_deref()),
        (FileKind::Symlink, Some("a"))
    );
    let shift = |from: &str, to: &str| {
        let request = MoveFileRequest {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            ..MoveFileRequest::default()
        };
        world.wait(client.move_file(VM, &request))
    };
    shift("/srv/tree/deep", "/srv/tree/moved").unwrap();
    assert_eq!(refused(shift("/srv/tree/a", "/srv/tree/b")), "file_exists");
    let remove =
        |path: &'static [u8], recursive| world.wait(client.remove_file(VM, path, recursive));
    assert_eq!(refused(remove(b"/srv/tree", false)), "directory_not_empty");
    remove(b"/srv/tree", true).unwrap();
    assert_eq!(refused(remove(b"/srv/tree", true)), "file_not_found");
    assert_eq!(refused(remove(b"/", true)), "invalid_request");
}

fn the_command_copies_both_ways(world: &World) {
    let here = tempfile::tempdir().unwrap();
    let at = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
    let there = |path: &str| format!("{VM}:{path}");
    fs::create_dir_all(at("src/deep")).unwrap();
    fs::write(at("src/deep/data"), pattern(300_000)).unwrap();
    fs::write(at("src/run me"), "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(at("src/run me"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/data", at("src/link")).unwrap();
    let says = |arguments: [&str; 2]| world.daemon.says(&["vm", "cp", arguments[0], arguments[1]]);
    // A folder becomes the target, or goes into it if it is there.
    says([&at("src"), &there("/srv/copied")]);
    says([&at("src"), &there("/srv/copied")]);
    assert_eq!(
        world.shell("cd /srv/copied && './run me' && './src/run me' && stat -c %U:%G link deep"),
        "hello\nhello\nroot:root\nroot:root\n"
    );
    says([&there("/srv/copied/src"), &at("back")]);
    assert!(fs::read(at("back/deep/data")).unwrap() == pattern(300_000));
    assert_eq!(
        fs::read_link(at("back/link")).unwrap().to_str(),
        Some("deep/data")
    );
    // A file, into a folder and under a name.
    says([&at("src/run me"), &there("/tmp")]);
    says([&there("/tmp/run me"), &at("named")]);
    assert_eq!(
        fs::metadata(at("named")).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let printed = world.daemon.says(&["vm", "cp", &there("/tmp/run me"), "-"]);
    assert_eq!(printed, "#!/bin/sh\necho hello\n");
    let failed = world.daemon.thaw(&["vm", "cp", &there("/none"), &at("x")]);
    assert_eq!(failed.status.code(), Some(125));
    let said = crate::support::text(&failed.stderr);
    assert!(said.contains("/none"), "{said}");
    let failed = world
        .daemon
        .thaw(&["vm", "cp", &at("src"), "inside:relative"]);
    assert!(crate::support::text(&failed.stderr).contains("inside:/relative"));
    assert!(!here.path().join("x").exists());
}

fn whoever_waits_sees_how_far_it_is(world: &World) {
    let here = tempfile::tempdir().unwrap();
    let large = here.path().join("large");
    fs::write(&large, pattern(40 << 20)).unwrap();
    let terminal = openpty(None, None).unwrap();
    let to = format!("{VM}:/tmp/large");
    let mut command = world
        .daemon
        .command(&["vm", "cp", large.to_str().unwrap(), &to]);
    let mut child = command.stderr(terminal.slave).spawn().unwrap();
    // Or the other end of the terminal would never be told that it has ended.
    drop(command);
    let mut seen = Vec::new();
    // It ends with an error: nobody has it open any more.
    let _ = fs::File::from(terminal.master).read_to_end(&mut seen);
    assert!(child.wait().unwrap().success());
    let seen = crate::support::text(&seen);
    assert!(seen.contains("copying") && seen.contains("MiB"), "{seen:?}");
}
