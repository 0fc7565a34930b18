//! A real guest in QEMU, with a small image and an initramfs of its own.

use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    os::{
        fd::AsRawFd as _,
        unix::{fs::symlink, net::UnixListener},
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tempfile::TempDir;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use super::{host::Host, sys::time_stamp_counter};

/// What the agent itself needs of the kernel; their dependencies come by themselves.
const MODULES: [&str; 5] = [
    "virtio_mmio",
    "virtio_console",
    "virtio_blk",
    "squashfs",
    "overlay",
];

/// Programs of the small image, all of them busybox.
const PROGRAMS: &str = "sh true cat echo sleep hostname date id ps wc seq kill mv ls stat touch stty test grep mkdir rm";

/// A machine; it is killed and its files are removed when it is dropped.
pub(crate) struct Guest {
    folder: TempDir,
    qemu: Child,
}

impl Guest {
    /// Boots a kernel with the agent as its PID 1.
    pub(crate) async fn boot() -> Self {
        let (counter, clock) = (time_stamp_counter(), Instant::now());
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (kernel, modules) = newest_kernel();
        fs::write(at("initramfs"), initramfs(&modules, &agent().await)).unwrap();
        make_image(&at("root"), &at("image")).await;
        fs::File::create(at("scratch"))
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        run(
            "mke2fs",
            &["-q", "-t", "ext4", at("scratch").to_str().unwrap()],
        )
        .await;
        let ticks = u128::from(time_stamp_counter() - counter);
        let tsc_khz = ticks * 1_000_000 / clock.elapsed().as_nanos();
        // Inherited, so that it can be connected to before the machine is there.
        let listener = UnixListener::bind(at("agent")).unwrap();
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let drive = |name: &str, rest: &str| {
            let file = at(name);
            format!(
                "file={},format=raw,if=none,id={name},{rest}",
                file.display()
            )
        };
        let qemu = command("qemu-system-x86_64")
            .args("-M microvm,acpi=on,pit=on,pic=on,rtc=on -accel tcg -cpu max -m 256".split(' '))
            .args("-nodefaults -no-user-config -display none -no-reboot".split(' '))
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(at("initramfs"))
            .arg("-append")
            .arg(command_line(tsc_khz))
            .args(["-device", "virtio-serial-device"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=agent,fd={},server=on,wait=off",
                listener.as_raw_fd()
            ))
            .args(["-device", "virtserialport,chardev=agent,name=thaw.agent.0"])
            .args(["-drive", &drive("image", "readonly=on")])
            .args(["-device", "virtio-blk-device,drive=image"])
            .args(["-drive", &drive("scratch", "cache=unsafe,discard=unmap")])
            .args(["-device", "virtio-blk-device,drive=scratch"])
            .arg("-serial")
            .arg(format!("file:{}", at("console").display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, qemu }
    }

    /// Opens a session. The machine need not have booted; it has one at a time.
    pub(crate) async fn connect(&self) -> Host {
        let path = self.folder.path().join("agent");
        Host::over(UnixStream::connect(path).await.unwrap())
    }

    /// What it said on its console.
    pub(crate) fn console(&self) -> String {
        let text = fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits for the end of the machine; whether it ended by itself and well.
    pub(crate) async fn ended(&mut self) -> bool {
        let end = timeout(Duration::from_secs(30), self.qemu.wait()).await;
        end.is_ok_and(|status| status.unwrap().success())
    }

    /// How much processor time the machine has used, in ticks of 10 ms.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let pid = self.qemu.id().unwrap();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Guest {
    #[expect(
        clippy::print_stdout,
        reason = "a failed test shows what its guest said"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("console of the guest:\n{}", self.console());
        }
    }
}

/// On a busy host the kernel cannot measure the counter against the emulated PIT, and hangs.
fn command_line(tsc_khz: u128) -> String {
    format!(
        "console=ttyS0 quiet reboot=t panic=-1 pci=off tsc_early_khz={tsc_khz} tsc=reliable \
         no_timer_check thaw.transport=serial thaw.rootfs=squashfs"
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests own the machines they start"
)]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    command
}

async fn run(program: &str, arguments: &[&str]) {
    let output = command(program).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

/// The agent as it is shipped: static. Cargo does nothing when it is built already.
async fn agent() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = workspace.join("target/agent");
    let output = command(env!("CARGO"))
        .current_dir(workspace)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .args("build -p thaw-agent --profile agent --target x86_64-unknown-linux-gnu".split(' '))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    target.join("x86_64-unknown-linux-gnu/agent/thaw-agent")
}

fn newest_kernel() -> (PathBuf, PathBuf) {
    let folders = fs::read_dir("/lib/modules").unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let release = names
        .filter(|name| name.ends_with("-cloud-amd64"))
        .max()
        .expect("no linux-image-cloud-amd64 on this machine");
    (
        format!("/boot/vmlinuz-{release}").into(),
        Path::new("/lib/modules").join(release),
    )
}

fn initramfs(modules: &Path, agent: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        let entry = cpio::newc::Builder::new(name).mode(mode);
        let mut writer = entry.write(&mut archive, content.len() as u32);
        writer.write_all(content).unwrap();
        writer.finish().unwrap();
    };
    add("init", 0o100_755, &fs::read(agent).unwrap());
    add("modules", 0o040_755, &[]);
    let mut order = String::new();
    for path in closure(modules) {
        let name = path.file_name().unwrap().to_str().unwrap();
        add(
            &format!("modules/{name}"),
            0o100_644,
            &fs::read(&path).unwrap(),
        );
        order.push_str(name);
        order.push('\n');
    }
    add("modules/order", 0o100_644, order.as_bytes());
    cpio::newc::trailer(archive).unwrap()
}

/// The modules and what they depend on, dependencies first.
fn closure(modules: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(modules.join("modules.dep")).unwrap();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for wanted in MODULES {
        let ending = format!("/{wanted}.ko");
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let (path, needed) = lines
            .find(|(path, _)| path.ends_with(&ending))
            .unwrap_or_else(|| panic!("no module {wanted}"));
        // modules.dep(5): what must be loaded first comes last.
        for path in needed.split_whitespace().rev().chain([path]) {
            if seen.insert(path.to_owned()) {
                found.push(modules.join(path));
            }
        }
    }
    found
}

async fn make_image(root: &Path, image: &Path) {
    for folder in ["bin", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for program in PROGRAMS.split(' ') {
        symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n",
    )
    .unwrap();
    // Links of an image must not lead the agent astray.
    symlink("/nowhere/resolv.conf", root.join("etc/resolv.conf")).unwrap();
    symlink("/etc/passwd", root.join("etc/machine-id")).unwrap();
    symlink("/etc", root.join("proc")).unwrap();
    let (root, image) = (root.to_str().unwrap(), image.to_str().unwrap());
    run(
        "mksquashfs",
        &[
            root,
            image,
            "-all-root",
            "-quiet",
            "-no-progress",
            "-comp",
            "lz4",
        ],
    )
    .await;
}
