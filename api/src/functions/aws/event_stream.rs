//! AWS's framing of events in a body, `application/vnd.amazon.eventstream`.
//!
//! ```text
//! length of the whole, length of the headers, CRC-32 of both │ headers │ payload │ CRC-32 of all before
//! header: length of its name (u8), name, 7 (a string), length of its value (u16), value
//! ```
//! Numbers are big-endian and of 32 bits where nothing else is said. Source: "Amazon S3 Select, appendix: event stream
//! encoding", and Smithy's "Amazon Event Stream Specification".

use bytes::{BufMut as _, Bytes, BytesMut};

/// The three numbers of 32 bits in front.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// The type of a header whose value is text.
const STRING: u8 = 7;

/// An event of a type, such as `PayloadChunk`.
pub(super) fn event(event_type: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let headers = [
        (":message-type", "event"),
        (":event-type", event_type),
        (":content-type", content_type),
    ];
    message(&headers, payload)
}

/// An error that ends the stream. Of its message no more than 1,024 bytes are told.
pub(super) fn error(code: &str, text: &str) -> Bytes {
    let text = &text[..text.floor_char_boundary(1024)];
    let headers = [
        (":message-type", "error"),
        (":error-code", code),
        (":error-message", text),
    ];
    message(&headers, &[])
}

/// Names are shorter than 256 bytes, values than 64 KiB, payloads than 16 MiB: all of them are chosen in this folder.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut packed = BytesMut::new();
    for (name, value) in headers {
        packed.put_u8(name.len() as u8);
        packed.put_slice(name.as_bytes());
        packed.put_u8(STRING);
        packed.put_u16(value.len() as u16);
        packed.put_slice(value.as_bytes());
    }
    let whole = PRELUDE_BYTES + packed.len() + payload.len() + CHECKSUM_BYTES;
    let mut out = BytesMut::with_capacity(whole);
    out.put_u32(whole as u32);
    out.put_u32(packed.len() as u32);
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&packed);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Taken from botocore, whose decoder reads `{"a": 1}` of it, with these headers.
    #[test]
    fn a_message_is_byte_for_byte_what_clients_of_aws_read() {
        let headers = [(":message-type", "event"), (":event-type", "T")];
        let message = message(&headers, br#"{"a": 1}"#);
        assert_eq!(hex::encode(&message), PINNED);
    }

    const PINNED: &str = "0000003e00000026a93e5c730d3a6d6573736167652d747970650700056576656e740b3a6576656e742d74797065070001547b2261223a20317d937c6758";
}
