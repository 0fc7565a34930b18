//! The words between the agent and a resident interpreter; `python_harness.py` is the other side.

/// What an interpreter is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    Prove = 1,
    Run = 2,
    Fork = 3,
}

/// What an interpreter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It is there; the value is `sys.hexversion`.
    Ready(i32),
    /// The proof has run and ended with this code.
    Done(i32),
    /// A fork with this process id has been made.
    Started(i32),
    /// That fork has ended: its code, or minus its signal. Of an interpreter that became the program: it is about
    /// to end with this code and has written everything.
    Exited(i32),
    /// No fork could be made, for the reason of this errno.
    Failed(i32),
}

/// The size of an event on the wire.
pub(super) const EVENT_BYTES: usize = 12;

/// One piece of code and its surroundings.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// Empty: stay.
    pub(super) cwd: &'a str,
    pub(super) env: &'a [(String, String)],
    pub(super) code: &'a str,
}

impl Source<'_> {
    /// Writes the request as it goes over the socket.
    pub(super) fn encode(&self, mode: Mode, id: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.code.len());
        for word in [mode as u32, id, 0] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        let head = out.len();
        // A frame, and so each of these, is at most 1 MiB: u32 holds it.
        out.extend_from_slice(&(self.env.len() as u32).to_ne_bytes());
        put(&mut out, self.cwd);
        for (key, value) in self.env {
            put(&mut out, key);
            put(&mut out, value);
        }
        put(&mut out, self.code);
        let body = (out.len() - head) as u32;
        out[head - 4..head].copy_from_slice(&body.to_ne_bytes());
        out
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_ne_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads an event and the request that it belongs to; `None` when it is none of this version.
pub(super) fn decode(wire: &[u8; EVENT_BYTES]) -> Option<(u32, Event)> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *wire;
    let value = i32::from_ne_bytes([i, j, k, l]);
    let event = match u32::from_ne_bytes([e, f, g, h]) {
        1 => Event::Ready(value),
        2 => Event::Done(value),
        3 => Event::Started(value),
        4 => Event::Exited(value),
        5 => Event::Failed(value),
        _ => return None,
    };
    Some((u32::from_ne_bytes([a, b, c, d]), event))
}
