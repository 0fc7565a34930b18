//! The guest's kernel: the distribution's own image, and the modules that a guest needs of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::initramfs;

/// Modules that a guest needs, unless its kernel has them built in.
const MODULES: [&str; 6] = [
    "virtio_mmio",
    "virtio_blk",
    "virtio_console",
    "squashfs",
    "ext4",
    "overlay",
];

/// Modules that are taken along where the kernel has them.
const OPTIONAL_MODULES: [&str; 1] = ["vmw_vsock_virtio_transport"];

/// A kernel that can't be used.
#[derive(Debug, Error)]
pub enum KernelError {
    /// None is installed.
    #[error(
        "no kernel found in {0}; install one: apt-get install linux-image-cloud-amd64 (Ubuntu: linux-image-virtual), or name one with `thaw init --kernel PATH`"
    )]
    NotFound(PathBuf),
    /// A file can't be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no bzImage.
    #[error(
        "{0} is not a Linux kernel image for x86 (bzImage); name another with `thaw init --kernel PATH`"
    )]
    NotBzImage(PathBuf),
    /// The modules of its release are not installed.
    #[error(
        "the modules of kernel {release} are not in {folder}; install the package that the kernel is from, such as linux-image-cloud-amd64"
    )]
    NoModules {
        /// The kernel's release.
        release: String,
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A module that a guest needs is not there.
    #[error(
        "kernel {release} has no module {module}; take a distribution's kernel: apt-get install linux-image-cloud-amd64 (Ubuntu: linux-image-virtual)"
    )]
    MissingModule {
        /// The kernel's release.
        release: String,
        /// The module.
        module: String,
    },
    /// The initramfs could not be written.
    #[error("could not write the initramfs")]
    Initramfs(#[source] io::Error),
}

/// A kernel with the initramfs that makes a guest of it, both in memory files that any VMM may read.
#[derive(Debug)]
pub struct GuestKernel {
    release: String,
    digest: String,
    image: File,
    initramfs: File,
}

impl GuestKernel {
    /// Takes `image`, or the newest kernel in /boot (a cloud kernel before others), with its modules
    /// from /lib/modules and `agent` as the first program.
    ///
    /// # Errors
    /// See [`KernelError`]; each names what is missing.
    pub fn load(image: Option<&Path>, agent: &[u8]) -> Result<Self, KernelError> {
        let path = match image {
            Some(path) => path.to_owned(),
            None => newest(Path::new("/boot"))?,
        };
        let bytes = read(&path)?;
        let release = release_of(&bytes).ok_or_else(|| KernelError::NotBzImage(path.clone()))?;
        let modules = Modules::of(&release)?.load()?;
        let initramfs = initramfs::write(agent, &modules).map_err(KernelError::Initramfs)?;
        let digest = {
            let mut hash = Sha256::new();
            hash.update(&bytes);
            hash.update(&initramfs);
            hex::encode(hash.finalize())
        };
        Ok(Self {
            release,
            digest,
            image: memory_file("thaw-kernel", &bytes).map_err(KernelError::Initramfs)?,
            initramfs: memory_file("thaw-initramfs", &initramfs).map_err(KernelError::Initramfs)?,
        })
    }

    /// The kernel's release, such as `6.1.0-56-cloud-amd64`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The SHA-256 of kernel and initramfs (so of the agent too), in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn image(&self) -> &File {
        &self.image
    }

    pub(crate) fn initramfs(&self) -> &File {
        &self.initramfs
    }
}

/// A file without a name. Any user may open it through /proc/PID/fd, which a VMM needs: it has no
/// way to /boot, where some distributions let only root read.
fn memory_file(name: &str, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?);
    io::Write::write_all(&mut file, bytes)?;
    Ok(file)
}

fn read(path: &Path) -> Result<Vec<u8>, KernelError> {
    fs::read(path).map_err(|source| KernelError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The newest `vmlinuz-*` whose modules are installed; cloud kernels first, since they boot fastest.
fn newest(boot: &Path) -> Result<PathBuf, KernelError> {
    let entries = fs::read_dir(boot).map_err(|_| KernelError::NotFound(boot.to_owned()))?;
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()))
        .filter(|release| modules_folder(release).is_dir())
        .max_by_key(|release| (release.contains("cloud"), version_key(release)))
        .map(|release| boot.join(format!("vmlinuz-{release}")))
        .ok_or_else(|| KernelError::NotFound(boot.to_owned()))
}

/// The numbers of a release, so that 6.1.0-10 is newer than 6.1.0-9.
fn version_key(release: &str) -> Vec<u64> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Reads the release out of a bzImage's header (Documentation/arch/x86/boot.rst, `kernel_version`).
fn release_of(image: &[u8]) -> Option<String> {
    let magic = image.get(0x202..0x206)?;
    if magic != b"HdrS" {
        return None;
    }
    let &[low, high] = image.get(0x20e..0x210)? else {
        return None;
    };
    let start = usize::from(u16::from_le_bytes([low, high])) + 0x200;
    let text = image.get(start..)?.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

fn modules_folder(release: &str) -> PathBuf {
    Path::new("/lib/modules").join(release)
}

/// What modules.dep and modules.builtin say (depmod(8)).
struct Modules {
    release: String,
    folder: PathBuf,
    /// Module name -> its file and the files it depends on, all relative to the folder.
    dependencies: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Modules {
    fn of(release: &str) -> Result<Self, KernelError> {
        let folder = modules_folder(release);
        let missing = || KernelError::NoModules {
            release: release.to_owned(),
            folder: folder.clone(),
        };
        let dep = fs::read_to_string(folder.join("modules.dep")).map_err(|_| missing())?;
        let builtin = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        let dependencies = dep
            .lines()
            .filter_map(|line| {
                let (file, needs) = line.split_once(':')?;
                let needs = needs.split_whitespace().map(str::to_owned).collect();
                Some((module_name(file), (file.to_owned(), needs)))
            })
            .collect();
        Ok(Self {
            release: release.to_owned(),
            builtin: builtin.lines().map(module_name).collect(),
            folder,
            dependencies,
        })
    }

    /// Reads and unpacks every module that is needed, in the order in which they must be loaded.
    fn load(&self) -> Result<Vec<(String, Vec<u8>)>, KernelError> {
        let mut order: Vec<&str> = Vec::new();
        for module in MODULES.iter().chain(&OPTIONAL_MODULES) {
            let Some((file, needs)) = self.dependencies.get(*module) else {
                if self.builtin.contains(*module) || OPTIONAL_MODULES.contains(module) {
                    continue;
                }
                return Err(KernelError::MissingModule {
                    release: self.release.clone(),
                    module: (*module).to_owned(),
                });
            };
            // modules.dep lists the deepest dependency last.
            for path in needs.iter().rev().chain([file]) {
                if !order.contains(&path.as_str()) {
                    order.push(path);
                }
            }
        }
        order
            .into_iter()
            .map(|path| Ok((module_name(path), self.read_module(path)?)))
            .collect()
    }

    fn read_module(&self, path: &str) -> Result<Vec<u8>, KernelError> {
        let path = self.folder.join(path);
        let bytes = read(&path)?;
        unpack(&path, bytes).map_err(|source| KernelError::Read { path, source })
    }
}

/// `kernel/fs/overlayfs/overlay.ko.xz` -> `overlay`; the kernel treats '-' and '_' as one.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.split('.').next().unwrap_or(file);
    name.replace('-', "_")
}

/// Debian 12 ships plain modules, Debian 13 xz, Ubuntu 24.04 zstd; a guest gets them plain.
fn unpack(path: &Path, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => {
            let mut plain = Vec::new();
            liblzma::read::XzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
            Ok(plain)
        }
        Some("zst") => zstd::decode_all(bytes.as_slice()),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_newer_by_its_numbers_and_not_by_its_letters() {
        assert!(version_key("6.1.0-10-cloud-amd64") > version_key("6.1.0-9-cloud-amd64"));
    }

    #[test]
    fn a_module_is_known_by_its_name_whatever_its_packing() {
        assert_eq!(
            module_name("kernel/drivers/block/virtio_blk.ko"),
            "virtio_blk"
        );
        assert_eq!(module_name("kernel/a/virtio-blk.ko.zst"), "virtio_blk");
    }

    #[test]
    fn what_is_no_kernel_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = GuestKernel::load(Some(file.path()), b"agent").unwrap_err();
        assert!(matches!(error, KernelError::NotBzImage(_)));
    }

    #[test]
    fn the_installed_kernel_loads_with_every_module_after_those_it_needs() {
        let path = newest(Path::new("/boot")).unwrap();
        let release = release_of(&fs::read(path).unwrap()).unwrap();
        let modules = Modules::of(&release).unwrap().load().unwrap();
        let position = |name: &str| modules.iter().position(|(found, _)| found == name);
        assert!(
            position("overlay").is_some()
                || Modules::of(&release).unwrap().builtin.contains("overlay")
        );
        if let (Some(ring), Some(block)) = (position("virtio_ring"), position("virtio_blk")) {
            assert!(ring < block);
        }
        assert!(
            modules
                .iter()
                .all(|(_, bytes)| bytes.starts_with(b"\x7fELF"))
        );
    }
}
