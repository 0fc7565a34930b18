//! Writes the tar that the squashfs builder reads.

use std::io::{self, Read, Write};

use crate::tar::header::BLOCK;
use crate::tar::pax::Records;
use crate::tar::{Content, Kind, Meta};

/// Largest value of a seven-digit octal field (uid, gid, device numbers).
const MAX_OCTAL_7: u64 = 0o777_7777;
/// Largest value of an eleven-digit octal field (size).
const MAX_OCTAL_11: u64 = 0o777_7777_7777;

/// Writes entries in pax format; what does not fit a header goes into an extended one.
pub(crate) struct TarWriter<W> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes one entry. `path` is relative and has no `.` or `..`.
    pub(crate) fn append(&mut self, path: &[u8], meta: &Meta, kind: &Kind) -> io::Result<()> {
        let none: &[u8] = b"";
        let (letter, link, size, device) = match kind {
            Kind::File(content) => (b'0', none, content.size, (0, 0)),
            Kind::HardLink(target) => (b'1', target.as_slice(), 0, (0, 0)),
            Kind::Symlink(target) => (b'2', target.as_slice(), 0, (0, 0)),
            Kind::CharDevice { major, minor } => (b'3', none, 0, (*major, *minor)),
            Kind::BlockDevice { major, minor } => (b'4', none, 0, (*major, *minor)),
            Kind::Directory => (b'5', none, 0, (0, 0)),
            Kind::Fifo => (b'6', none, 0, (0, 0)),
        };
        let mut records = Records::default();
        if path.len() > 100 {
            records.push(b"path", path);
        }
        if link.len() > 100 {
            records.push(b"linkpath", link);
        }
        if size > MAX_OCTAL_11 {
            records.push(b"size", size.to_string().as_bytes());
        }
        for (key, id) in [("uid", meta.uid), ("gid", meta.gid)] {
            if u64::from(id) > MAX_OCTAL_7 {
                records.push(key.as_bytes(), id.to_string().as_bytes());
            }
        }
        for (name, value) in &meta.xattrs {
            records.push(&[b"SCHILY.xattr.", &**name].concat(), value);
        }
        if !records.is_empty() {
            let data = records.encode();
            let plain = Meta::default();
            self.header(b"pax", &plain, b'x', b"", data.len() as u64, (0, 0))?;
            self.out.write_all(&data)?;
            self.pad(data.len() as u64)?;
        }
        self.header(path, meta, letter, link, size, device)?;
        if let Kind::File(content) = kind {
            self.content(content)?;
        }
        Ok(())
    }

    /// Writes a file whose bytes are at hand.
    pub(crate) fn append_bytes(
        &mut self,
        path: &[u8],
        meta: &Meta,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.header(path, meta, b'0', b"", bytes.len() as u64, (0, 0))?;
        self.out.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    /// Writes the end mark.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn header(
        &mut self,
        path: &[u8],
        meta: &Meta,
        letter: u8,
        link: &[u8],
        size: u64,
        device: (u32, u32),
    ) -> io::Result<()> {
        let mut block = [0; BLOCK as usize];
        text(&mut block[..100], path);
        octal(&mut block[100..108], u64::from(meta.mode));
        octal(&mut block[108..116], u64::from(meta.uid).min(MAX_OCTAL_7));
        octal(&mut block[116..124], u64::from(meta.gid).min(MAX_OCTAL_7));
        octal(&mut block[124..136], size.min(MAX_OCTAL_11));
        octal(&mut block[136..148], u64::from(meta.mtime));
        block[148..156].fill(b' ');
        block[156] = letter;
        text(&mut block[157..257], link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], u64::from(device.0));
        octal(&mut block[337..345], u64::from(device.1));
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
        octal(&mut block[148..155], sum);
        self.out.write_all(&block)
    }

    fn content(&mut self, content: &Content) -> io::Result<()> {
        let mut at = 0;
        for (offset, span) in &content.pieces {
            io::copy(&mut io::repeat(0).take(offset - at), &mut self.out)?;
            let copied = io::copy(&mut span.reader(), &mut self.out)?;
            if copied != span.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at = offset + copied;
        }
        io::copy(&mut io::repeat(0).take(content.size - at), &mut self.out)?;
        self.pad(content.size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let missing = size.next_multiple_of(BLOCK) - size;
        self.out.write_all(&[0; BLOCK as usize][..missing as usize])
    }
}

fn text(field: &mut [u8], value: &[u8]) {
    let n = value.len().min(field.len());
    field[..n].copy_from_slice(&value[..n]);
}

/// Octal digits, zero-padded, with a closing NUL.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}
