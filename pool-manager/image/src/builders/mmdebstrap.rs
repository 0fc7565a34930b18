//! Installs Debian or Ubuntu packages into a tar (mmdebstrap 1.3 or newer).

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use crate::builders::BuilderError;
use crate::builders::group::{Group, Program};
use crate::progress::Progress;
use crate::sources::{DebianPackage, DebianSuite};
use crate::work::Work;

pub(crate) const TOOL: &str = "mmdebstrap";
pub(crate) const PACKAGE: &str = "mmdebstrap";

/// No flush to the disk with every file: what is half-made is thrown away, and the store flushes what it keeps.
/// No documentation and translations, which nothing in a sandbox reads. Licences stay.
const DPKG_OPTIONS: [&str; 8] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/groff/*",
];

/// The host's own package sources and apt settings, as far as they apply.
#[derive(Debug, Default)]
pub(crate) struct AptSources {
    /// Files in the formats of sources.list(5); none means the distribution's usual mirror.
    pub(crate) files: Vec<PathBuf>,
    /// `Name "value"` lines of apt.conf(5).
    pub(crate) options: Vec<String>,
}

/// Installs the essential packages and `packages` of `suite`; the root filesystem goes to `out` as a tar.
///
/// # Cancel safety
/// Dropping the future kills the installer and everything it started; what it unpacked lies in the staging folder.
pub(crate) async fn mmdebstrap(
    work: &Work,
    suite: &DebianSuite,
    packages: &[DebianPackage],
    sources: &AptSources,
    out: File,
) -> Result<(), BuilderError> {
    let root = nix::unistd::geteuid().is_root();
    // As another user it makes namespaces of its own.
    let mode = if root { "root" } else { "unshare" };
    let mut arguments: Vec<OsString> = vec![
        format!("--mode={mode}").into(),
        "--variant=essential".into(),
        "--format=tar".into(),
        "--aptopt=APT::Install-Recommends \"false\"".into(),
    ];
    arguments.extend(DPKG_OPTIONS.map(|option| format!("--dpkgopt={option}").into()));
    arguments.extend(
        sources
            .options
            .iter()
            .map(|option| format!("--aptopt={option}").into()),
    );
    if !packages.is_empty() {
        let names: Vec<&str> = packages.iter().map(DebianPackage::as_str).collect();
        arguments.push(format!("--include={}", names.join(",")).into());
    }
    arguments.extend(["--".into(), suite.as_str().into(), "-".into()]);
    arguments.extend(sources.files.iter().map(OsString::from));
    let group = Group::start(Program {
        tool: TOOL,
        package: PACKAGE,
        arguments,
        // Its working folder goes with the staging folder whatever happens to it.
        environment: vec![("TMPDIR", work.folder().into())],
        stdin: Stdio::null(),
        stdout: out.into(),
        folder: work.folder().to_owned(),
        mounts: root,
    })?;
    let report = |line: &str| {
        work.report(Progress::InstallingPackages {
            line: line.to_owned(),
        });
    };
    group.finish(report).await
}
