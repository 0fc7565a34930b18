//! Standard input as it comes.

use std::io::Read as _;

use bytes::Bytes;
use tokio::sync::mpsc;

/// How much is read at once.
const PIECE_BYTES: usize = 32 * 1024;

/// Pieces that wait; then standard input is read on no further.
const PIECES: usize = 4;

/// Reads standard input until its end, or an error, which is the same to the program.
///
/// On a thread of its own that nobody waits for: a read of a terminal can't be called off, and it must not
/// hold up the end of this command.
pub(super) fn pieces() -> mpsc::Receiver<Bytes> {
    let (sender, pieces) = mpsc::channel(PIECES);
    std::thread::spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            match std::io::stdin().read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    let piece = Bytes::copy_from_slice(&buffer[..read]);
                    if sender.blocking_send(piece).is_err() {
                        return;
                    }
                }
            }
        }
    });
    pieces
}
