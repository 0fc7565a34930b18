//! Files with holes: GNU's old format (`S` entries) and its pax formats 0.0, 0.1 and 1.0.
//! Source: GNU tar manual, "Storing Sparse Files".

use crate::tar::header::{BLOCK, number};
use crate::tar::pax::Records;
use crate::tar::{Content, Span, TarError};

/// Most pieces of one file; more is a malformed or hostile map.
const MAX_PIECES: usize = 1 << 20;

/// A map of pieces (offset and length in the file).
type Map = Vec<(u64, u64)>;

/// Lays the pieces of `map` over `data`, in which they follow one another.
pub(crate) fn content(size: u64, map: &Map, data: &Span, offset: u64) -> Result<Content, TarError> {
    let bad = || TarError::BadField {
        offset,
        field: "sparse map",
    };
    let (mut end, mut at) = (0, 0);
    let mut pieces = Vec::new();
    for (start, len) in map {
        let piece_end = start.checked_add(*len).ok_or_else(bad)?;
        if *start < end || piece_end > size {
            return Err(bad());
        }
        if *len > 0 {
            pieces.push((*start, data.part(at, *len).ok_or_else(bad)?));
        }
        (end, at) = (piece_end, at + len);
    }
    Ok(Content { size, pieces })
}

/// The pieces that a 512-byte block of GNU's old format lists from `from` on, `count` at most.
pub(crate) fn old_map(block: &[u8], from: usize, count: usize, map: &mut Map) -> Option<()> {
    for slot in block[from..from + count * 24].chunks(24) {
        if slot[0] == 0 {
            break;
        }
        if map.len() == MAX_PIECES {
            return None;
        }
        map.push((number(&slot[..12])?, number(&slot[12..])?));
    }
    Some(())
}

/// The map of formats 0.0 and 0.1, which lies in the records.
pub(crate) fn record_map(records: &Records) -> Option<Map> {
    let mut numbers = Vec::new();
    if let Some(list) = records.get("GNU.sparse.map") {
        for text in list.split(|b| *b == b',') {
            numbers.push(decimal(text)?);
        }
    } else {
        for (key, value) in records.iter() {
            if matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
                numbers.push(decimal(value)?);
            }
        }
    }
    if numbers.len() % 2 != 0 || numbers.len() / 2 > MAX_PIECES {
        return None;
    }
    Some(numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The map of format 1.0, which precedes the data, and how many bytes it takes.
pub(crate) fn leading_map(data: &Span) -> std::io::Result<Option<(Map, u64)>> {
    let mut block = [0; BLOCK as usize];
    let (mut read, mut line) = (0, Vec::new());
    let (mut wanted, mut numbers) = (None, Vec::new());
    loop {
        if data.read_at(&mut block, read)? < block.len() {
            return Ok(None);
        }
        read += BLOCK;
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Ok(None);
                }
                continue;
            }
            let Some(value) = decimal(&line) else {
                return Ok(None);
            };
            line.clear();
            match wanted {
                None if value > MAX_PIECES as u64 => return Ok(None),
                None => wanted = Some(value as usize * 2),
                Some(_) => numbers.push(value),
            }
            if wanted == Some(numbers.len()) {
                let map = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
                return Ok(Some((map, read)));
            }
        }
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
