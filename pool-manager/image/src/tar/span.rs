//! A range of bytes in an open file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A range of an open file; clones share the file, and reading moves no shared position.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    file: Arc<File>,
    start: u64,
    len: u64,
}

impl Span {
    /// The whole of `file` as long as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            start: 0,
            len,
        })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The part of `len` bytes at `offset`, or nothing when it is not all there.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Option<Self> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        Some(Self {
            file: Arc::clone(&self.file),
            start: self.start + offset,
            len,
        })
    }

    /// Fills `buffer` from `offset` on; less than full only at the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut done = 0;
        while done < want {
            let at = self.start + offset + done as u64;
            match self.file.read_at(&mut buffer[done..want], at) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// A reader from the beginning.
    pub(crate) fn reader(&self) -> SpanReader {
        SpanReader {
            span: self.clone(),
            position: 0,
        }
    }
}

/// Reads a [`Span`] once, front to back.
pub(crate) struct SpanReader {
    span: Span,
    position: u64,
}

impl Read for SpanReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.span.read_at(buffer, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}
