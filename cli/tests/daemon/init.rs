//! `thaw init` on a storage root of its own.

use std::{fs, process::Command};

use super::support::{Daemon, text};

const THAW: &str = env!("CARGO_BIN_EXE_thaw");

fn init(storage: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(THAW);
    let command = command.arg("init").args(arguments);
    let done = command
        .env("THAW_STORAGE", storage.path())
        .env("THAW_ACCEL", "tcg")
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
        &storage,
        &["--skip-rootfs", "--kernel", &url, "--kernel-sha256", &wrong],
    );
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("SHA-256") && !place.exists(), "{said}");
    let (code, said) = init(&storage, &["--skip-rootfs", "--kernel", "/etc/hostname"]);
    assert_eq!(code, Some(125), "{said}");
    assert!(
        said.contains("not a Linux kernel") && !place.exists(),
        "{said}"
    );
    let (code, said) = init(&storage, &["--skip-rootfs", "--kernel", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read(&place).unwrap(), fs::read(&kernel).unwrap());
    assert!(said.contains("thaw serve"), "{said}");
    let (code, said) = init(&storage, &["--skip-rootfs", "--kernel", &kernel]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    let left = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "only the kernel is left");
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
    let (code, said) = init(&storage, &["--rootfs", tar, "--name", "tiny"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("template: ") && said.contains("thaw run tiny"),
        "{said}"
    );
    let (code, said) = init(&storage, &["--rootfs", tar, "--name", "tiny"]);
    assert!(code == Some(0) && said.contains("--force"), "{said}");
    let daemon = Daemon::on(storage);
    assert_eq!(
        daemon.says(&["run", "tiny", "--", "echo", "thawed"]),
        "thawed\n"
    );
}
