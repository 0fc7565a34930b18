//! What a caller asks for, checked before anything is started with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::sources::host_suite;

/// The suite of builtin recipes where the host's own is unknown.
const DEFAULT_SUITE: &str = "bookworm";
/// Most packages of one image.
const MAX_PACKAGES: usize = 500;

/// A file that the caller has spooled. It stays the caller's: it is read, never changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it lies.
    pub path: PathBuf,
}

/// What a Dockerfile is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerContext {
    /// A tar (plain, gzip or zstd) with a `Dockerfile` at its top.
    Tar(Upload),
    /// A single Dockerfile that needs no other file.
    Text(String),
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// An image of the Docker daemon.
    Docker {
        /// Name or id.
        reference: String,
    },
    /// An image of a registry.
    Registry {
        /// As Docker writes it: `[host[:port]/]name[:tag|@digest]`.
        reference: String,
    },
    /// An OCI image layout in a tar.
    OciArchive(Upload),
    /// What `docker save` writes.
    DockerArchive(Upload),
    /// Packages of Debian or Ubuntu.
    Debian {
        /// Release to take them from.
        suite: DebianSuite,
        /// What to install besides the essential packages.
        packages: Vec<DebianPackage>,
    },
    /// A Dockerfile, built by the Docker daemon.
    Dockerfile {
        /// What to build.
        context: DockerContext,
        /// `--build-arg`.
        build_args: BTreeMap<String, String>,
    },
    /// A tar of a root filesystem, or an ext4 or squashfs file taken as it is.
    RootFs(Upload),
}

/// Why a text is no image source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// Not one of the forms.
    #[error(
        "{0:?} is not an image source; use docker:NAME, registry:REFERENCE or debian:SUITE+package,package"
    )]
    UnknownForm(String),
    /// These take an upload.
    #[error("{0}: takes an uploaded file")]
    NeedsUpload(&'static str),
    /// Not a suite.
    #[error(
        "{0:?} is not the name of a suite: a letter, then lower-case letters, digits and dashes"
    )]
    Suite(String),
    /// Not a package.
    #[error(
        "{0:?} is not the name of a package: lower-case letters, digits and + - . after the first"
    )]
    Package(String),
    /// Too many packages.
    #[error("more than {MAX_PACKAGES} packages")]
    TooManyPackages,
    /// Not a reference.
    #[error("{0:?} is not an image reference")]
    Reference(String),
}

/// Name of a release, such as `bookworm`. Matches `[a-z][a-z0-9-]*`, so it is never taken for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianSuite(String);

/// Name of a package. Matches `[a-z0-9][a-z0-9+.-]*`, so it is never taken for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianPackage(String);

impl DebianSuite {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DebianPackage {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DebianSuite {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let first = |c: char| c.is_ascii_lowercase();
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match matches(text, first, rest) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidSource::Suite(short(text))),
        }
    }
}

impl FromStr for DebianPackage {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let rest = |c: char| first(c) || matches!(c, '+' | '.' | '-');
        match matches(text, first, rest) {
            // apt reads a closing - as "remove" and a closing + as "install".
            true if !text.ends_with('-') => Ok(Self(text.to_owned())),
            _ => Err(InvalidSource::Package(short(text))),
        }
    }
}

impl FromStr for ImageSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let unknown = || InvalidSource::UnknownForm(short(text));
        let (form, rest) = text.split_once(':').ok_or_else(unknown)?;
        match form {
            "docker" => Ok(Self::Docker {
                reference: checked_reference(rest)?.to_owned(),
            }),
            "registry" => Ok(Self::Registry {
                reference: checked_reference(rest)?.to_owned(),
            }),
            "debian" => {
                let (suite, list) = rest.split_once('+').unwrap_or((rest, ""));
                let names = list.split(',').filter(|name| !name.is_empty());
                let packages: Vec<DebianPackage> =
                    names.map(str::parse).collect::<Result<_, _>>()?;
                if packages.len() > MAX_PACKAGES {
                    return Err(InvalidSource::TooManyPackages);
                }
                Ok(Self::Debian {
                    suite: suite.parse()?,
                    packages,
                })
            }
            "oci-archive" => Err(InvalidSource::NeedsUpload("oci-archive")),
            "docker-archive" => Err(InvalidSource::NeedsUpload("docker-archive")),
            "dockerfile" => Err(InvalidSource::NeedsUpload("dockerfile")),
            "rootfs" => Err(InvalidSource::NeedsUpload("rootfs")),
            _ => Err(unknown()),
        }
    }
}

impl ImageSource {
    /// The name that an image of this source gets when the caller gives none.
    pub(crate) fn default_name(&self) -> Option<&str> {
        match self {
            Self::Docker { reference } | Self::Registry { reference } => Some(reference),
            _ => None,
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker { reference } => write!(f, "docker:{reference}"),
            Self::Registry { reference } => write!(f, "registry:{reference}"),
            Self::OciArchive(_) => f.write_str("oci-archive:upload"),
            Self::DockerArchive(_) => f.write_str("docker-archive:upload"),
            Self::Debian { suite, packages } => {
                let names: Vec<&str> = packages.iter().map(DebianPackage::as_str).collect();
                match names.is_empty() {
                    true => write!(f, "debian:{}", suite.0),
                    false => write!(f, "debian:{}+{}", suite.0, names.join(",")),
                }
            }
            Self::Dockerfile { .. } => f.write_str("dockerfile:upload"),
            Self::RootFs(_) => f.write_str("rootfs:upload"),
        }
    }
}

/// How Thaw makes an image of its own when it is first asked for. `python` is Debian's python3 of the host's suite, with the
/// usual CA certificates and the library that packages with parts in C++ (numpy and its like) expect.
pub fn builtin_recipe(name: &str) -> Option<ImageSource> {
    let packages: &[&str] = match name {
        "python" => &["python3", "ca-certificates", "libstdc++6"],
        _ => return None,
    };
    let suite = host_suite().or_else(|| DEFAULT_SUITE.parse().ok())?;
    let packages = packages
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    Some(ImageSource::Debian { suite, packages })
}

/// A reference goes into the path of a request to the daemon or registry: only what references are made of may be in it.
pub(crate) fn checked_reference(text: &str) -> Result<&str, InvalidSource> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '[' | ']')
    };
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if text.len() > 512
        || !begins
        || !text.chars().all(allowed)
        || text.contains("..")
        || text.contains("//")
    {
        return Err(InvalidSource::Reference(short(text)));
    }
    Ok(text)
}

fn matches(text: &str, first: impl Fn(char) -> bool, rest: impl Fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= 128 && chars.next().is_some_and(first) && chars.all(rest)
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_text_forms_are_read_and_written_alike() {
        for text in [
            "docker:alpine:3",
            "registry:127.0.0.1:5000/a/b@sha256:00",
            "debian:bookworm+python3,g++",
            "debian:sid",
        ] {
            assert_eq!(text.parse::<ImageSource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_that_reads_as_an_option_is_a_package_or_suite() {
        for text in [
            "debian:bookworm+-o",
            "debian:--help",
            "debian:bookworm+a b",
            "debian:bookworm+apt-",
            "debian:bookworm+./x.deb",
            "debian:Book",
            "debian:",
        ] {
            assert!(text.parse::<ImageSource>().is_err(), "{text}");
        }
    }

    #[test]
    fn references_that_would_leave_their_place_in_a_url_are_refused() {
        for text in [
            "docker:",
            "docker:../x",
            "docker:a/../b",
            "docker:a?b",
            "docker:a#b",
            "docker:a%2f",
            "docker:-x",
            "registry:a//b",
            "registry:a b",
        ] {
            assert!(text.parse::<ImageSource>().is_err(), "{text}");
        }
    }

    #[test]
    fn files_come_as_uploads_only() {
        for text in ["rootfs:/etc/shadow", "oci-archive:/x", "dockerfile:."] {
            assert!(
                matches!(
                    text.parse::<ImageSource>(),
                    Err(InvalidSource::NeedsUpload(_))
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn python_is_built_from_debian_packages_and_nothing_else_is_built_in() {
        assert!(
            matches!(builtin_recipe("python"), Some(ImageSource::Debian { packages, .. }) if packages.len() == 3)
        );
        assert_eq!(builtin_recipe("ruby"), None);
    }
}
