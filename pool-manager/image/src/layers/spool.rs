//! Decompresses a layer into a file without a name, hashing it on the way.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::digest::{Digest, Hashing};
use crate::layers::{LayerError, Limits};
use crate::tar::Span;
use crate::work::Cancelled;

/// How a stream is compressed; told by its first bytes, because media types of real registries are often wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Magic numbers: RFC 1952 section 2.3.1, RFC 8878 section 3.1.1 (and its skippable frames).
    fn of(data: &Span) -> io::Result<Self> {
        let mut magic = [0; 4];
        data.read_at(&mut magic, 0)?;
        Ok(match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::None,
        })
    }
}

/// Where layers are unpacked to, and how much more may come.
pub(crate) struct Spool<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) limits: &'a Limits,
    pub(crate) cancelled: &'a Cancelled,
    pub(crate) bytes: u64,
}

impl Spool<'_> {
    /// The uncompressed bytes of `data` and their digest. What is not compressed is hashed where it lies.
    pub(crate) fn unpack(
        &mut self,
        layer: usize,
        data: &Span,
    ) -> Result<(Span, Digest), LayerError> {
        let io = |source| LayerError::Spool { layer, source };
        let read = || BufReader::with_capacity(256 * 1024, data.reader());
        match Compression::of(data).map_err(io)? {
            Compression::None => {
                let (_, digest) = self.copy(layer, &mut data.reader(), io::sink())?;
                Ok((data.clone(), digest))
            }
            Compression::Gzip => {
                self.decompress(layer, &mut flate2::read::MultiGzDecoder::new(read()))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(read()).map_err(io)?;
                self.decompress(layer, &mut decoder)
            }
        }
    }

    /// An archive of layers: where it is not compressed it is not even read.
    pub(crate) fn unpack_archive(&mut self, data: &Span) -> Result<Span, LayerError> {
        match Compression::of(data).map_err(|source| LayerError::Spool { layer: 0, source })? {
            Compression::None => Ok(data.clone()),
            _ => self.unpack(0, data).map(|(data, _)| data),
        }
    }

    fn decompress(
        &mut self,
        layer: usize,
        stream: &mut impl Read,
    ) -> Result<(Span, Digest), LayerError> {
        let io = |source| LayerError::Spool { layer, source };
        let file = tempfile::tempfile_in(self.folder).map_err(io)?;
        let out = BufWriter::with_capacity(256 * 1024, file);
        let (out, digest) = self.copy(layer, stream, out)?;
        let file: File = out.into_inner().map_err(|e| io(e.into_error()))?;
        Ok((Span::whole(file).map_err(io)?, digest))
    }

    fn copy<W: Write>(
        &mut self,
        layer: usize,
        stream: &mut impl Read,
        out: W,
    ) -> Result<(W, Digest), LayerError> {
        let mut out = Hashing::new(out);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if self.cancelled.is_set() {
                return Err(LayerError::Cancelled);
            }
            let n = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(LayerError::Damaged { layer, source }),
            };
            self.bytes = self.bytes.saturating_add(n as u64);
            if self.bytes > self.limits.max_root_bytes {
                return Err(LayerError::TooLarge {
                    limit: self.limits.max_root_bytes,
                });
            }
            out.write_all(&buffer[..n])
                .map_err(|source| LayerError::Spool { layer, source })?;
        }
        out.flush()
            .map_err(|source| LayerError::Spool { layer, source })?;
        Ok(out.finish())
    }
}
