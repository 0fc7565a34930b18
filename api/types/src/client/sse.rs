//! Server-sent events out of bytes (the HTML standard, section 9.2.6).

use thiserror::Error;

/// The largest event that is read, in bytes: a JSON answer's limit and some room.
pub const MAX_EVENT_BYTES: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its name; `message` when the server gave none.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// Bytes that are no events.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SseError {
    /// An event is larger than [`MAX_EVENT_BYTES`].
    #[error("the server sent an event of more than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    /// A line is not UTF-8.
    #[error("the server sent an event that is not UTF-8")]
    NotUtf8,
}

/// Cuts bytes into events. It holds at most one event, of at most [`MAX_EVENT_BYTES`].
#[derive(Debug, Default)]
pub struct SseDecoder {
    buffer: Vec<u8>,
    /// How much of the buffer holds no line end for certain.
    searched: usize,
    event: Option<String>,
    data: Option<String>,
}

impl SseDecoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next whole event, or `None` until more bytes come. Comments are skipped.
    ///
    /// # Errors
    /// See [`SseError`]; the stream is of no use afterwards.
    pub fn next_event(&mut self) -> Result<Option<SseEvent>, SseError> {
        let mut start = 0;
        let event = loop {
            let from = start.max(self.searched);
            let Some(offset) = self.buffer[from..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                break None;
            };
            let end = from + offset;
            let line = std::str::from_utf8(&self.buffer[start..end])
                .map_err(|_| SseError::NotUtf8)?
                .trim_end_matches('\r');
            start = end + 1;
            self.searched = start;
            if !line.is_empty() {
                take_field(line, &mut self.event, &mut self.data);
            } else if let Some(data) = self.data.take() {
                let event = self.event.take().unwrap_or_else(|| "message".to_owned());
                break Some(SseEvent { event, data });
            } else {
                self.event = None;
            }
        };
        self.buffer.drain(..start);
        self.searched -= start;
        let held = self.buffer.len() + self.data.as_ref().map_or(0, String::len);
        if event.is_none() && held > MAX_EVENT_BYTES {
            return Err(SseError::TooLarge);
        }
        Ok(event)
    }
}

fn take_field(line: &str, event: &mut Option<String>, data: &mut Option<String>) {
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "event" => *event = Some(value.to_owned()),
        "data" => match data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => *data = Some(value.to_owned()),
        },
        // Comments (no name), `id` and `retry` mean nothing here.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn comments_and_unknown_fields_are_skipped_and_lines_of_data_are_joined() {
        let events = decode(&[b": hello\nretry: 5\nevent: a\r\ndata: 1\ndata:2\n\n\ndata: x\n\n"]);
        let shown: Vec<_> = events
            .iter()
            .map(|e| (e.event.as_str(), e.data.as_str()))
            .collect();
        assert_eq!(shown, [("a", "1\n2"), ("message", "x")]);
    }

    #[test]
    fn an_event_without_an_end_is_refused_when_it_is_too_large() {
        let mut decoder = SseDecoder::default();
        decoder.push(b"data: ");
        decoder.push(&vec![b'x'; MAX_EVENT_BYTES + 1]);
        assert_eq!(decoder.next_event(), Err(SseError::TooLarge));
    }

    proptest! {
        #[test]
        fn events_come_out_as_they_went_in_however_the_bytes_are_cut(
            events in prop::collection::vec(("[a-z]{1,8}", "[^\r\n]{0,40}"), 0..20),
            cut in 1usize..20,
        ) {
            let wire: String = events.iter().map(|(e, d)| format!("event: {e}\ndata: {d}\n\n")).collect();
            let pieces: Vec<&[u8]> = wire.as_bytes().chunks(cut).collect();
            let seen: Vec<_> = decode(&pieces).into_iter().map(|e| (e.event, e.data)).collect();
            prop_assert_eq!(seen, events);
        }

        #[test]
        fn any_bytes_end_in_events_or_an_error_and_never_in_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let mut decoder = SseDecoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_event() {}
        }
    }
}
