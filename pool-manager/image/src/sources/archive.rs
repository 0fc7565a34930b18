//! `docker-archive:` and `oci-archive:`: an image in a tar, read where it lies.

use std::collections::HashMap;
use std::fs::File;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::AddError;
use crate::image::ImageConfig;
use crate::layers::Spool;
use crate::sources::oci::{self, Descriptor, MAX_DOCUMENT_BYTES, Manifest};
use crate::sources::{ArchiveError, LayerBlob, Root, apply_layers};
use crate::tar::{EndOfArchive, Kind, Span, TarReader};
use crate::work::Work;

/// Most files in an archive of an image: blobs and a few documents.
const MAX_FILES: usize = 20_000;
/// Most links from one layer file to another (`docker save` of old writes one).
const MAX_LINKS: usize = 4;
/// Most indexes inside one another.
const MAX_INDEX_DEPTH: usize = 4;

/// Docker's list of the images in an archive (moby, image/spec v1.2, "Combined Image JSON + Filesystem Changeset Format").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    layers: Vec<String>,
}

/// The files of an archive by their paths.
struct Files(HashMap<Vec<u8>, Kind>);

/// Reads what `docker save` wrote. Blocks.
pub(crate) fn docker_archive(work: &Work, file: File) -> Result<Root, AddError> {
    let files = Files::open(work, file)?;
    let list: Vec<SavedImage> = files.document("manifest.json")?;
    let [image] = list.as_slice() else {
        return Err(ArchiveError::NotOneImage(list.len()).into());
    };
    let config_bytes = files.bytes(&image.config)?;
    let (config, diff_ids) = oci::read_config(&config_bytes, image.layers.len())?;
    let mut layers = Vec::new();
    for (path, diff_id) in image.layers.iter().zip(diff_ids) {
        layers.push(LayerBlob {
            data: files.span(path)?,
            diff_id: Some(diff_id),
        });
    }
    finish(work, layers, config)
}

/// Reads an OCI image layout. Blocks.
pub(crate) fn oci_archive(work: &Work, file: File) -> Result<Root, AddError> {
    let files = Files::open(work, file)?;
    let mut manifest: Manifest = files.document("index.json")?;
    let mut depth = 0;
    while let Some(manifests) = &manifest.manifests {
        depth += 1;
        if depth > MAX_INDEX_DEPTH {
            return Err(ArchiveError::NotAnImage(
                "indexes inside indexes without an end".to_owned(),
            )
            .into());
        }
        let chosen = oci::choose(manifests)?;
        manifest = oci::document("the manifest", &files.small_blob(chosen)?)?;
    }
    let Some(config) = &manifest.config else {
        return Err(
            ArchiveError::NotAnImage("a manifest without a configuration".to_owned()).into(),
        );
    };
    let (config, diff_ids) = oci::read_config(&files.small_blob(config)?, manifest.layers.len())?;
    let mut layers = Vec::new();
    for (descriptor, diff_id) in manifest.layers.iter().zip(diff_ids) {
        oci::check_layer(&descriptor.media_type)?;
        layers.push(LayerBlob {
            data: files.blob(descriptor)?,
            diff_id: Some(diff_id),
        });
    }
    finish(work, layers, config)
}

fn finish(work: &Work, layers: Vec<LayerBlob>, config: ImageConfig) -> Result<Root, AddError> {
    Ok(Root::Tree(apply_layers(work, layers)?, config))
}

impl Files {
    /// Indexes the archive, decompressed first where it is compressed.
    fn open(work: &Work, file: File) -> Result<Self, AddError> {
        let data = Span::whole(file).map_err(ArchiveError::Read)?;
        let mut spool = Spool {
            folder: work.folder(),
            limits: &work.limits,
            cancelled: &work.cancelled,
            bytes: 0,
        };
        let data = spool.unpack_archive(&data)?;
        let mut files = HashMap::new();
        let mut reader = TarReader::new(&data, EndOfArchive::MarkRequired);
        while let Some(entry) = reader.next_entry().map_err(ArchiveError::Tar)? {
            if files.len() == MAX_FILES {
                return Err(ArchiveError::NotAnImage(format!(
                    "an archive of more than {MAX_FILES} files"
                ))
                .into());
            }
            if matches!(
                entry.kind,
                Kind::File(_) | Kind::Symlink(_) | Kind::HardLink(_)
            ) {
                files.insert(normal(&entry.path), entry.kind);
            }
        }
        Ok(Self(files))
    }

    /// The bytes at `path`; a link leads to another file of the archive and nowhere else.
    fn span(&self, path: &str) -> Result<Span, ArchiveError> {
        let missing = || ArchiveError::Missing(path.chars().take(200).collect());
        let mut at = normal(path.as_bytes());
        for _ in 0..=MAX_LINKS {
            at = match self.0.get(&at).ok_or_else(missing)? {
                Kind::File(content) => {
                    return match content.pieces.as_slice() {
                        [(0, span)] if span.len() == content.size => Ok(span.clone()),
                        _ => Err(missing()),
                    };
                }
                Kind::HardLink(target) => normal(target),
                Kind::Symlink(target) => {
                    let folder = at.iter().rposition(|b| *b == b'/').unwrap_or(0);
                    normal(&[&at[..folder], b"/", target].concat())
                }
                _ => return Err(missing()),
            };
        }
        Err(missing())
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, ArchiveError> {
        let span = self.span(path)?;
        if span.len() > MAX_DOCUMENT_BYTES {
            return Err(ArchiveError::DocumentTooLarge {
                document: path.chars().take(200).collect(),
                limit: MAX_DOCUMENT_BYTES,
            });
        }
        let mut bytes = vec![0; span.len() as usize];
        span.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn document<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ArchiveError> {
        oci::document(path, &self.bytes(path)?)
    }

    /// The blob of `descriptor`, after its digest was checked.
    fn blob(&self, descriptor: &Descriptor) -> Result<Span, ArchiveError> {
        let expected: Digest = descriptor.digest.parse()?;
        let span = self.span(&format!("blobs/sha256/{}", expected.hex()))?;
        let found = Digest::of_reader(&mut span.reader())?;
        if found != expected {
            return Err(ArchiveError::DigestMismatch { expected, found });
        }
        Ok(span)
    }

    fn small_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        self.blob(descriptor)?;
        let expected: Digest = descriptor.digest.parse()?;
        self.bytes(&format!("blobs/sha256/{}", expected.hex()))
    }
}

fn normal(path: &[u8]) -> Vec<u8> {
    crate::layers::components(path).join(&b'/')
}
