//! A small root file system, an engine with a storage root of its own, and a template made with them.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tempfile::TempDir;
use thaw_lazymem::{PlainSource, SparseWriter, TemplateMemory};
use thaw_vmm::{
    Accelerator, BootSpec, Engine, GuestKernel, Machine, Output, Qemu, QemuConfig, RootDisk,
    RootFs, RunInput, RunOutput, ScratchDisk, Shape, Shell, ShellMemory, ShellSpec, StartError,
    UidRange, VmmId, copy_extents,
    protocol::{Exec, Exit, Opening, Program, Reply, Request, Wake},
};

const SHAPE: Shape = Shape {
    vcpus: 1,
    memory_mib: 128,
};
const SCRATCH_BYTES: u64 = 256 << 20;
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) engine: Qemu,
    root: RootDisk,
    kernel: Arc<GuestKernel>,
}

pub(crate) struct Template {
    pub(crate) device_state: Bytes,
    pub(crate) source: Arc<PlainSource>,
    scratch: File,
}

pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) exit: Exit,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A storage root that lies deep, as some do: socket addresses must not care.
        let storage = folder.path().join("a".repeat(100));
        fs::create_dir(&storage).unwrap();
        let shim = std::env::var_os("THAW_SHIM_BIN").expect("THAW_SHIM_BIN; run `make test`");
        let config = QemuConfig {
            storage_root: storage,
            accelerator: Accelerator::Tcg,
            uids: UidRange::default(),
            shim: fs::read(shim).expect("the shim; run `make shim`"),
        };
        let agent = std::env::var_os("THAW_AGENT_BIN").expect("THAW_AGENT_BIN; run `make test`");
        let agent = fs::read(agent).expect("the guest agent; run `make agent`");
        Self {
            root: busybox_root(folder.path()),
            engine: Qemu::open(config).await.unwrap(),
            kernel: Arc::new(GuestKernel::load(None, &agent).unwrap()),
            folder,
        }
    }

    pub(crate) async fn bake(&self) -> Template {
        let scratch = ScratchDisk::blank(self.folder.path(), SCRATCH_BYTES)
            .await
            .unwrap();
        let spec = BootSpec {
            id: VmmId::random("bake").unwrap(),
            shape: SHAPE,
            kernel: self.kernel.clone(),
            root: self.root.clone(),
            scratch: scratch.try_clone().unwrap(),
            boot_timeout: Duration::from_secs(60),
        };
        let mut machine = self.engine.boot(spec).await.unwrap();
        let prepare = Opening {
            wake: None,
            request: Request::Prepare { env: Vec::new() },
        };
        machine.guest().call(&prepare).await.unwrap();
        let frozen = machine.freeze().await.unwrap();
        let file = tempfile::tempfile_in(self.folder.path()).unwrap();
        let (file, _) = SparseWriter::new(file)
            .write(&frozen.memory, SHAPE.memory_bytes())
            .unwrap();
        let _ = machine.kill().await;
        let source = Arc::new(PlainSource::open(file).unwrap());
        Template {
            device_state: frozen.device_state,
            source,
            scratch,
        }
    }

    pub(crate) async fn shell(&self, template: &Template) -> Box<dyn Shell> {
        let memory = template.memory();
        memory.fill_all().unwrap();
        self.shell_with(template, ShellMemory::Whole(memory))
            .await
            .unwrap()
    }

    pub(crate) async fn shell_with(
        &self,
        template: &Template,
        memory: ShellMemory,
    ) -> Result<Box<dyn Shell>, StartError> {
        let scratch = self.copy_of(&template.scratch);
        self.shell_on(scratch, memory).await
    }

    /// A copy of a scratch disk.
    pub(crate) fn copy_of(&self, disk: &File) -> File {
        let copy = ScratchDisk::unnamed(self.folder.path(), SCRATCH_BYTES).unwrap();
        copy_extents(disk, &copy).unwrap();
        copy
    }

    pub(crate) async fn shell_on(
        &self,
        scratch: File,
        memory: ShellMemory,
    ) -> Result<Box<dyn Shell>, StartError> {
        let spec = ShellSpec {
            id: VmmId::random("shell").unwrap(),
            shape: SHAPE,
            memory,
            root: self.root.clone(),
            scratch,
        };
        self.engine.spawn_shell(spec).await
    }

    pub(crate) async fn nothing_is_left(&self) {
        self.engine.settled().await;
        let run = self.folder.path().join("a".repeat(100)).join("run/vmm");
        assert_eq!(
            fs::read_dir(run).unwrap().count(),
            0,
            "a run folder is left"
        );
        assert!(self.engine.end_orphans(&[]).await.unwrap().is_empty());
    }
}

impl Template {
    /// The template's memory, empty.
    pub(crate) fn memory(&self) -> Arc<TemplateMemory> {
        Arc::new(TemplateMemory::new(self.source.clone(), "test").unwrap())
    }
}

/// A root of one static program under many names.
fn busybox_root(folder: &Path) -> RootDisk {
    let tree = folder.join("tree");
    for path in ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "run"] {
        fs::create_dir_all(tree.join(path)).unwrap();
    }
    let busybox = tree.join("bin/busybox");
    fs::copy("/bin/busybox", &busybox).expect("busybox; run `make setup-test`");
    fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755)).unwrap();
    for name in [
        "sh", "echo", "cat", "hostname", "date", "head", "od", "sleep", "true", "md5sum", "dd",
        "sync", "ls", "tail", "test",
    ] {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).unwrap();
    }
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(tree.join("etc/group"), "root:x:0:\n").unwrap();
    let image = folder.join("root.img");
    #[expect(clippy::disallowed_methods, reason = "the test makes its own image")]
    let made = Command::new("mksquashfs")
        .args([&tree, &image])
        .args(["-noI", "-noD", "-noF", "-noX", "-quiet", "-no-progress"])
        .status()
        .expect("mksquashfs; run `make setup-test`");
    assert!(made.success());
    RootDisk {
        file: Arc::new(File::open(image).unwrap()),
        fs: RootFs::Squashfs,
    }
}

pub(crate) fn exec(argv: &[&str]) -> Opening {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Opening {
        wake: None,
        request: Request::Exec(with(Program::Argv(argv))),
    }
}

pub(crate) fn shell(script: &str) -> Exec {
    with(Program::Shell(script.to_owned()))
}

fn with(program: Program) -> Exec {
    Exec {
        program,
        env: vec![("PATH".to_owned(), PATH.to_owned())],
        cwd: None,
        user: None,
        stdin: false,
        timeout_ms: Some(30_000),
        output_limit_bytes: 1 << 20,
        pty: None,
    }
}

pub(crate) async fn run(machine: &dyn Machine, argv: &[&str]) -> Ran {
    run_opening(machine, &exec(argv)).await
}

pub(crate) async fn run_opening(machine: &dyn Machine, opening: &Opening) -> Ran {
    let (input, output) = machine.guest().run(opening).await.unwrap();
    collect(input, output).await
}

pub(crate) async fn collect(_input: RunInput, mut output: RunOutput) -> Ran {
    let mut stdout = Vec::new();
    loop {
        match output.next().await.unwrap() {
            Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            Output::Stderr(bytes) => panic!("{}", String::from_utf8_lossy(&bytes)),
            Output::Exit(exit) => {
                let stdout = String::from_utf8(stdout).unwrap();
                return Ran { stdout, exit };
            }
        }
    }
}

/// Asks for an operation that ends with `Done`.
pub(crate) async fn call(machine: &dyn Machine, request: Request, wake: Option<Wake>) {
    let reply = machine.guest().call(&Opening { wake, request }).await;
    assert_eq!(reply.unwrap(), Reply::Done);
}

/// Standard output, line by line.
pub(crate) struct Lines<'a> {
    output: &'a mut RunOutput,
    seen: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(output: &'a mut RunOutput) -> Self {
        let seen = Vec::new();
        Self { output, seen }
    }

    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                return String::from_utf8(line[..end].to_vec()).unwrap();
            }
            match self.output.next().await.unwrap() {
                Output::Stdout(bytes) => self.seen.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Sends SIGKILL as somebody else would: found by its name among all processes.
pub(crate) fn kill_from_outside(id: &VmmId) {
    let needle = format!("-{id}\0");
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_it = line.starts_with(b"/usr/bin/qemu")
            && line
                .windows(needle.len())
                .any(|window| window == needle.as_bytes());
        if is_it {
            let pid: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
            let pid = nix::unistd::Pid::from_raw(pid);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            return;
        }
    }
    panic!("no process of {id}");
}
