//! `thaw init` on a storage root of its own.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::support::{Daemon, WebServer, text};

const THAW: &str = env!("CARGO_BIN_EXE_thaw");

fn init(storage: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    init_trusting(storage, None, arguments)
}

/// With a certificate that it is to trust.
fn init_trusting(
    storage: &Path,
    certificate: Option<&Path>,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut command = Command::new(THAW);
    let command = command.arg("init").args(arguments);
    let done = command
        .env("THAW_STORAGE", storage)
        .env("THAW_ACCEL", "tcg")
        .envs(certificate.map(|path| ("SSL_CERT_FILE", path)))
        .output();
    let done = done.unwrap();
    (done.status.code(), text(&done.stdout) + &text(&done.stderr))
}

/// The kernel that guests would get anyway, as if it came from elsewhere.
fn kernel() -> String {
    let mut found: Vec<String> = fs::read_dir("/boot")
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.contains("/vmlinuz-"))
        .collect();
    found.sort_by_key(|path| path.contains("cloud"));
    found.pop().expect("a kernel in /boot")
}

#[test]
fn a_kernel_is_taken_when_it_fits_and_its_sum_is_right() {
    let storage = tempfile::tempdir().unwrap();
    let place = storage.path().join("kernel/bzImage");
    let kernel = kernel();
    let url = format!("file://{kernel}");
    let wrong = "0".repeat(64);
    let (code, said) = init(
        storage.path(),
        &["--skip-rootfs", "--kernel", &url, "--kernel-sha256", &wrong],
    );
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("SHA-256") && !place.exists(), "{said}");
    let (code, said) = init(
        storage.path(),
        &["--skip-rootfs", "--kernel", "/etc/hostname"],
    );
    assert_eq!(code, Some(125), "{said}");
    assert!(
        said.contains("not a Linux kernel") && !place.exists(),
        "{said}"
    );
    let (code, said) = init(storage.path(), &["--skip-rootfs", "--kernel", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read(&place).unwrap(), fs::read(&kernel).unwrap());
    assert!(said.contains("thaw serve"), "{said}");
    let (code, said) = init(storage.path(), &["--skip-rootfs", "--kernel", &kernel]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    let left = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "only the kernel is left");
}

fn sum(path: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}

#[test]
fn what_is_downloaded_counts_when_its_sum_is_right_and_force_replaces_what_is_there() {
    let storage = tempfile::tempdir().unwrap();
    let offered = tempfile::tempdir().unwrap();
    let place = storage.path().join("kernel/bzImage");
    let first = offered.path().join("first");
    fs::copy(kernel(), &first).unwrap();
    // The same kernel to a guest, another file.
    let second = offered.path().join("second");
    let mut bytes = fs::read(&first).unwrap();
    bytes.extend([0; 512]);
    fs::write(&second, bytes).unwrap();
    let server = WebServer::plain(offered.path());
    let take = |path: &str, more: &[&str]| {
        let mut words = vec!["--skip-rootfs", "--kernel"];
        let url = server.url(path);
        words.push(&url);
        words.extend(more);
        init(storage.path(), &words)
    };

    let (code, said) = take("first", &["--kernel-sha256", &sum(&second)]);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains(&sum(&first)) && !place.exists(), "{said}");
    let (code, said) = take("none", &[]);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("404") && !place.exists(), "{said}");
    let (code, said) = take("first", &["--kernel-sha256", &sum(&first)]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sum(&place), sum(&first));
    let (code, said) = take("second", &[]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    assert_eq!(sum(&place), sum(&first));
    let (code, said) = take("second", &["--force", "--kernel-sha256", &sum(&first)]);
    assert_eq!(code, Some(125), "{said}");
    assert_eq!(
        sum(&place),
        sum(&first),
        "what is wrong takes nobody's place"
    );
    let (code, said) = take("second", &["--force", "--kernel-sha256", &sum(&second)]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sum(&place), sum(&second));
    let left = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "only the kernel is left");
}

#[test]
fn a_download_over_tls_needs_a_certificate_that_is_trusted() {
    let storage = tempfile::tempdir().unwrap();
    let (offered, certificates) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = storage.path().join("kernel/bzImage");
    fs::copy(kernel(), offered.path().join("kernel")).unwrap();
    let (server, certificate) = WebServer::tls(offered.path(), certificates.path());
    let url = server.url("kernel");
    let words = ["--skip-rootfs", "--kernel", &url];
    let (code, said) = init(storage.path(), &words);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains(&url) && !place.exists(), "{said}");
    let (code, said) = init_trusting(storage.path(), Some(&certificate), &words);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sum(&place), sum(Path::new(&kernel())));
}

#[test]
fn an_ext4_root_file_system_is_taken_and_force_replaces_it() {
    let storage = tempfile::tempdir().unwrap();
    let offered = tempfile::tempdir().unwrap();
    let ext4 = |word: &str| {
        let root = offered.path().join(word);
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", root.join("bin/cat")).unwrap();
        fs::write(root.join("word"), word).unwrap();
        let path = offered.path().join(format!("{word}.ext4"));
        let made = Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&root, &path])
            .arg("32M")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        path
    };
    let (first, second) = (ext4("first"), ext4("second"));
    let server = WebServer::plain(offered.path());
    let take = |storage: &Path, path: &Path, more: &[&str]| {
        let url = server.url(path.file_name().unwrap().to_str().unwrap());
        let mut words = vec!["--rootfs", &url, "--name", "disk"];
        words.extend(more);
        init(storage, &words)
    };
    let (code, said) = take(storage.path(), &first, &["--rootfs-sha256", &sum(&second)]);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains(&sum(&first)), "{said}");
    let (code, said) = take(storage.path(), &first, &["--rootfs-sha256", &sum(&first)]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = take(storage.path(), &second, &[]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    let mut daemon = Daemon::on(storage);
    assert_eq!(daemon.says(&["run", "disk", "--", "cat", "/word"]), "first");
    daemon.stop(nix::sys::signal::Signal::SIGTERM);
    let (code, said) = take(daemon.storage(), &second, &["--force"]);
    assert_eq!(code, Some(0), "{said}");
    daemon.start_again();
    assert_eq!(
        daemon.says(&["run", "disk", "--", "cat", "/word"]),
        "second"
    );
}

#[test]
fn a_root_file_system_becomes_an_image_with_a_template_that_runs() {
    let storage = tempfile::tempdir().unwrap();
    let tar = storage.path().join("busybox.tar");
    let mut out = tar::Builder::new(fs::File::create(&tar).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    let busybox = fs::read("/bin/busybox").unwrap();
    header.set_size(busybox.len() as u64);
    out.append_data(&mut header, "bin/busybox", busybox.as_slice())
        .unwrap();
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    out.append_link(&mut link, "bin/echo", "busybox").unwrap();
    out.into_inner().unwrap();
    let tar = tar.to_str().unwrap();
    let (code, said) = init(storage.path(), &["--rootfs", tar, "--name", "tiny"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("template: ") && said.contains("thaw run tiny"),
        "{said}"
    );
    let (code, said) = init(storage.path(), &["--rootfs", tar, "--name", "tiny"]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    let (code, said) = init(
        storage.path(),
        &["--rootfs", tar, "--name", "tiny", "--json"],
    );
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told["image"], "tiny");
    assert_eq!(told["template"]["image_names"][0], "tiny");
    assert!(told["kernel"].is_null(), "{told}");
    assert_eq!(told["checks"][0]["state"], "ok", "{told}");
    let daemon = Daemon::on(storage);
    assert_eq!(
        daemon.says(&["run", "tiny", "--", "echo", "thawed"]),
        "thawed\n"
    );
}

#[test]
fn force_makes_the_image_and_its_template_anew_as_the_daemon_would() {
    let mut daemon = Daemon::with_python(&[]);
    let template = |daemon: &Daemon| -> Value {
        let list = daemon.says(&["template", "ls", "--json"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let templates = list["templates"].as_array().unwrap();
        assert_eq!(templates.len(), 1, "{list}");
        templates[0].clone()
    };
    let before = template(&daemon);
    daemon.stop(nix::sys::signal::Signal::SIGTERM);
    let (code, said) = init(daemon.storage(), &["--skip-kernel"]);
    assert_eq!(code, Some(0), "{said}");
    daemon.start_again();
    assert_eq!(template(&daemon), before, "what is there is kept");
    daemon.stop(nix::sys::signal::Signal::SIGTERM);
    let (code, said) = init(daemon.storage(), &["--force", "--template-format", "zstd"]);
    assert_eq!(code, Some(0), "{said}");
    daemon.start_again();
    let after = template(&daemon);
    assert_eq!(before["memory_format"], "plain");
    assert_eq!(after["memory_format"], "zstd");
    assert_eq!(
        daemon.says(&["run", "python", "--", "echo", "thawed"]),
        "thawed\n"
    );
}
