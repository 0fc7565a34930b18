//! What joins a stream of the host with the thread that does a file's work.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{DATA_CHUNK_BYTES, Reply};
use tokio::sync::mpsc;

/// Pieces that wait in each direction; when they are all there, whoever is faster waits.
const PIECES: usize = 4;

/// What comes from the host.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Bytes.
    Data(Bytes),
    /// All of them have come.
    End,
}

/// The thread's end of what comes from the host.
#[derive(Debug)]
pub(super) struct Incoming {
    arrivals: mpsc::Receiver<Arrival>,
    piece: Bytes,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Ended,
    /// The host left before its end.
    Cut,
}

impl Incoming {
    pub(super) fn new() -> (mpsc::Sender<Arrival>, Self) {
        let (sender, arrivals) = mpsc::channel(PIECES);
        let incoming = Self {
            arrivals,
            piece: Bytes::new(),
            phase: Phase::Open,
        };
        (sender, incoming)
    }

    /// Whether the host left before all had come.
    pub(super) fn is_cut(&self) -> bool {
        self.phase == Phase::Cut
    }

    fn fill(&mut self) {
        while self.piece.is_empty() && self.phase == Phase::Open {
            match self.arrivals.blocking_recv() {
                Some(Arrival::Data(bytes)) => self.piece = bytes,
                Some(Arrival::End) => self.phase = Phase::Ended,
                None => self.phase = Phase::Cut,
            }
        }
    }

    /// The next piece as it came; `None` at the end.
    ///
    /// # Errors
    /// `UnexpectedEof` when the host left.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.fill();
        match self.phase {
            _ if !self.piece.is_empty() => Ok(Some(std::mem::take(&mut self.piece))),
            Phase::Cut => Err(io::ErrorKind::UnexpectedEof.into()),
            Phase::Open | Phase::Ended => Ok(None),
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill();
        if self.piece.is_empty() {
            return match self.phase {
                Phase::Cut => Err(io::ErrorKind::UnexpectedEof.into()),
                Phase::Open | Phase::Ended => Ok(0),
            };
        }
        let taken = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

/// What goes to the host.
#[derive(Debug)]
pub(super) enum Departure {
    /// It can be done.
    Begun(Reply),
    /// At most [`DATA_CHUNK_BYTES`].
    Data(Vec<u8>),
}

/// The thread's end of what goes to the host.
#[derive(Debug)]
pub(super) struct Outgoing {
    departures: mpsc::Sender<Departure>,
    piece: Vec<u8>,
}

impl Outgoing {
    pub(super) fn new() -> (Self, mpsc::Receiver<Departure>) {
        let (departures, receiver) = mpsc::channel(PIECES);
        let outgoing = Self {
            departures,
            piece: Vec::new(),
        };
        (outgoing, receiver)
    }

    /// Says that it can be done.
    ///
    /// # Errors
    /// `BrokenPipe` when the host has left.
    pub(super) fn begin(&self, reply: Reply) -> io::Result<()> {
        self.send(Departure::Begun(reply))
    }

    /// Sends one piece as it is; at most [`DATA_CHUNK_BYTES`].
    ///
    /// # Errors
    /// `BrokenPipe` when the host has left.
    pub(super) fn send_piece(&self, piece: Vec<u8>) -> io::Result<()> {
        self.send(Departure::Data(piece))
    }

    fn send(&self, departure: Departure) -> io::Result<()> {
        self.departures
            .blocking_send(departure)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes are gathered into whole pieces; [`flush`](Write::flush) sends what is left.
impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.capacity() == 0 {
            self.piece.reserve_exact(DATA_CHUNK_BYTES);
        }
        let taken = bytes.len().min(DATA_CHUNK_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == DATA_CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.send(Departure::Data(piece))
    }
}
