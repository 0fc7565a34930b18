//! The documents of images: OCI image specification (manifest, index, config) and Docker's, which differ little.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::image::ImageConfig;
use crate::sources::ArchiveError;

/// Largest manifest or configuration (registries refuse manifests over 4 MiB).
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 8 << 20;
/// Most layers of an image (Docker's own limit is 127).
pub(crate) const MAX_LAYERS: usize = 1000;

/// Points at a blob.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) platform: Option<Platform>,
}

/// What a manifest in an index is for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
}

/// An image manifest or an index, told by what it has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) config: Option<Descriptor>,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) manifests: Option<Vec<Descriptor>>,
}

/// What counts here in an image's configuration.
#[derive(Debug, Clone, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    config: Option<RunConfig>,
    rootfs: Option<RootFsDigests>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RunConfig {
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct RootFsDigests {
    diff_ids: Vec<Digest>,
}

/// Reads a document, named in the error.
pub(crate) fn document<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|source| ArchiveError::Document {
        document: name.to_owned(),
        source,
    })
}

/// This machine in the words of image platforms (those of Go).
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The configuration of an image for this machine, and the digests of its `layers` unpacked layers.
pub(crate) fn read_config(
    bytes: &[u8],
    layers: usize,
) -> Result<(ImageConfig, Vec<Digest>), ArchiveError> {
    let file: ConfigFile = document("the configuration", bytes)?;
    let Some(rootfs) = file.rootfs else {
        return Err(ArchiveError::NotAnImage(
            "something without a root filesystem".to_owned(),
        ));
    };
    let wanted = host_architecture();
    if (file.os.as_str(), file.architecture.as_str()) != ("linux", wanted) {
        return Err(ArchiveError::WrongArchitecture {
            found: format!("{}/{}", file.os, file.architecture),
            wanted: format!("linux/{wanted}"),
        });
    }
    if rootfs.diff_ids.len() != layers || layers > MAX_LAYERS {
        return Err(ArchiveError::LayerCount {
            layers,
            diff_ids: rootfs.diff_ids.len(),
        });
    }
    let run = file.config.unwrap_or_default();
    let text = |value: Option<String>| value.filter(|text| !text.is_empty());
    let config = ImageConfig {
        env: run.env.unwrap_or_default(),
        workdir: text(run.working_dir),
        user: text(run.user),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
    };
    Ok((config, rootfs.diff_ids))
}

/// The manifest of an index that is for this machine. One without a platform counts only when it stands alone.
pub(crate) fn choose(manifests: &[Descriptor]) -> Result<&Descriptor, ArchiveError> {
    let wanted = host_architecture();
    let fits = |entry: &&Descriptor| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|p| p.os == "linux" && p.architecture == wanted)
    };
    if let Some(found) = manifests.iter().find(fits) {
        return Ok(found);
    }
    match manifests {
        [only] if only.platform.is_none() => Ok(only),
        [] => Err(ArchiveError::NotOneImage(0)),
        several if several.iter().all(|entry| entry.platform.is_none()) => {
            Err(ArchiveError::NotOneImage(several.len()))
        }
        several => {
            let platforms = several.iter().filter_map(|entry| entry.platform.as_ref());
            let names: Vec<String> = platforms
                .map(|p| format!("{}/{}", p.os, p.architecture))
                .collect();
            Err(ArchiveError::WrongArchitecture {
                found: names.join(", "),
                wanted: format!("linux/{wanted}"),
            })
        }
    }
}

/// Refuses media types that are not a layer of a root filesystem. Docker's and OCI's names are both in use; what the bytes
/// are compressed with is told by the bytes.
pub(crate) fn check_layer(media_type: &str) -> Result<(), ArchiveError> {
    let layer = media_type.is_empty()
        || media_type.starts_with("application/vnd.oci.image.layer.v1.tar")
        || media_type.starts_with("application/vnd.docker.image.rootfs.diff.tar");
    match layer {
        true => Ok(()),
        false => Err(ArchiveError::NotAnImage(format!(
            "something with a layer of type {media_type}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(os: &str, architecture: &str) -> Descriptor {
        Descriptor {
            media_type: String::new(),
            digest: architecture.to_owned(),
            platform: Some(Platform {
                architecture: architecture.to_owned(),
                os: os.to_owned(),
            }),
        }
    }

    #[test]
    fn the_manifest_for_this_machine_is_chosen_among_others_and_attestations() {
        let index = [
            entry("linux", "s390x"),
            entry("unknown", "unknown"),
            entry("linux", host_architecture()),
        ];
        assert_eq!(choose(&index).unwrap().digest, host_architecture());
    }

    #[test]
    fn an_image_for_other_machines_only_is_refused_by_their_names() {
        let error = choose(&[entry("linux", "s390x"), entry("linux", "ppc64le")]).unwrap_err();
        assert!(
            error.to_string().contains("linux/s390x, linux/ppc64le"),
            "{error}"
        );
        let config = br#"{"os":"linux","architecture":"s390x","rootfs":{"diff_ids":[]}}"#;
        assert!(matches!(
            read_config(config, 0),
            Err(ArchiveError::WrongArchitecture { .. })
        ));
    }

    #[test]
    fn null_fields_of_a_configuration_mean_nothing() {
        let text = format!(
            r#"{{"os":"linux","architecture":"{}","config":{{"Env":["A=b"],"Cmd":null,"Entrypoint":["/x"],"User":"","WorkingDir":"/w"}},"rootfs":{{"diff_ids":[]}}}}"#,
            host_architecture()
        );
        let (config, _) = read_config(text.as_bytes(), 0).unwrap();
        assert_eq!(
            config,
            ImageConfig {
                env: vec!["A=b".to_owned()],
                workdir: Some("/w".to_owned()),
                user: None,
                entrypoint: vec!["/x".to_owned()],
                cmd: vec![],
            }
        );
    }
}
