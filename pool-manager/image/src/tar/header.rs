//! The 512-byte header block.

/// Size of a header and of the unit in which a tar grows (POSIX.1-2008, pax, "ustar Interchange Format").
pub(crate) const BLOCK: u64 = 512;

/// A header block whose checksum was right.
pub(crate) struct Header<'a>(&'a [u8; BLOCK as usize]);

impl<'a> Header<'a> {
    /// The header in `block`, unless its checksum is wrong. Old tars summed signed bytes; both are accepted.
    pub(crate) fn parse(block: &'a [u8; BLOCK as usize]) -> Option<Self> {
        let stored = octal(&block[148..156])?;
        let outside = block[..148].iter().chain(&block[156..]);
        let unsigned: u64 = outside.clone().map(|b| u64::from(*b)).sum::<u64>() + 8 * 32;
        let signed: i64 = outside.map(|b| i64::from(*b as i8)).sum::<i64>() + 8 * 32;
        let fits = stored == unsigned || i64::try_from(stored) == Ok(signed);
        fits.then_some(Self(block))
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// Name with the `ustar` prefix, which GNU's variant does not have.
    pub(crate) fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        let prefix = until_nul(&self.0[345..500]);
        if &self.0[257..263] != b"ustar\0" || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(crate) fn link(&self) -> &'a [u8] {
        until_nul(&self.0[157..257])
    }

    pub(crate) fn mode(&self) -> Option<u64> {
        number(&self.0[100..108])
    }

    pub(crate) fn uid(&self) -> Option<u64> {
        number(&self.0[108..116])
    }

    pub(crate) fn gid(&self) -> Option<u64> {
        number(&self.0[116..124])
    }

    pub(crate) fn size(&self) -> Option<u64> {
        number(&self.0[124..136])
    }

    /// Times before 1970 become 1970: squashfs knows none.
    pub(crate) fn mtime(&self) -> Option<u64> {
        if self.0[136] == 0xff {
            return Some(0);
        }
        number(&self.0[136..148])
    }

    pub(crate) fn device(&self) -> Option<(u64, u64)> {
        Some((number(&self.0[329..337])?, number(&self.0[337..345])?))
    }

    /// The raw block, for GNU's sparse map.
    pub(crate) fn bytes(&self) -> &'a [u8; BLOCK as usize] {
        self.0
    }
}

/// Octal digits, or GNU's base-256 when the top bit is set.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    match field.first()? {
        0x80 => field[1..].iter().try_fold(0u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        }),
        first if first & 0x80 != 0 => None,
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = until_nul(field).trim_ascii();
    digits.iter().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

pub(crate) fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}
