//! Firecracker's handshake as text, written without allocating.

use std::fmt::{self, Write};

/// Room for the longest message: one region with the largest numbers.
const ROOM: usize = 256;

/// A short text in place.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// One region; the page size twice, as Firecracker sends it for older readers.
pub(crate) fn region(address: u64, size: u64, offset: u64) -> Result<Text, fmt::Error> {
    let mut text = Text::new();
    write!(
        text,
        "[{{\"base_host_virt_addr\":{address},\"size\":{size},\"offset\":{offset},\
         \"page_size\":4096,\"page_size_kib\":4096}}]"
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_firecrackers() {
        let text = region(4096, 8192, 0).unwrap();
        assert_eq!(
            std::str::from_utf8(text.as_bytes()).unwrap(),
            r#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size":4096,"page_size_kib":4096}]"#
        );
    }

    #[test]
    fn the_largest_numbers_have_room() {
        region(u64::MAX, u64::MAX, u64::MAX).unwrap();
    }
}
