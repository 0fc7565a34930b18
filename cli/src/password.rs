//! Asking for a password on the terminal, without showing it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// The longest line that is read, in bytes.
const LONGEST: usize = 4096;

/// A new password: asked for twice on the terminal, or the first line of standard input.
///
/// # Errors
/// When there is no terminal, the two differ, or nothing was given.
pub(crate) fn new_password(from_stdin: bool) -> Result<String> {
    if from_stdin {
        let mut line = String::new();
        io::stdin()
            .take(LONGEST as u64)
            .read_to_string(&mut line)
            .context("reading the password from standard input")?;
        let password = line.lines().next().unwrap_or("").to_owned();
        ensure!(!password.is_empty(), "standard input holds no password");
        return Ok(password);
    }
    let mut terminal = Terminal::open()
        .context("there is no terminal to ask for a password; use --password-stdin")?;
    let password = terminal.ask("New admin password: ")?;
    let again = terminal.ask("Once more: ")?;
    ensure!(password == again, "the two passwords differ");
    Ok(password)
}

/// Asks a question that `y` or nothing at all answers with yes; none where there is no terminal.
pub(crate) fn agrees(question: &str) -> Option<bool> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()?;
    write!(file, "{question} [Y/n] ").ok()?;
    let mut answer = Vec::new();
    let mut line = BufReader::new(file).take(LONGEST as u64);
    line.read_until(b'\n', &mut answer).ok()?;
    Some(matches!(answer.trim_ascii(), b"" | b"y" | b"Y" | b"yes"))
}

/// The terminal without echo; as it was before when dropped. Ctrl-C is read as a character, so that not even that
/// leaves a terminal without echo behind.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let terminal = Self { file, before };
        let mut quiet = terminal.before.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(&terminal.file, SetArg::TCSAFLUSH, &quiet)?;
        Ok(terminal)
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.file.write_all(question.as_bytes())?;
        let mut line = Line::default();
        let mut byte = [0];
        let typed = loop {
            ensure!(self.file.read(&mut byte)? == 1, "the terminal is gone");
            match line.press(byte[0]) {
                Press::More => {}
                Press::Done => break line.text(),
                Press::GivenUp => bail!("given up"),
            }
        };
        self.file.write_all(b"\r\n")?;
        typed
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(&self.file, SetArg::TCSANOW, &self.before) {
            tracing::debug!(%error, "the terminal could not be set back");
        }
    }
}

/// What a key meant.
#[derive(Debug, PartialEq, Eq)]
enum Press {
    More,
    Done,
    GivenUp,
}

/// A line that is being typed.
#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    fn press(&mut self, byte: u8) -> Press {
        match byte {
            b'\r' | b'\n' => return Press::Done,
            // Ctrl-C, and Ctrl-D on an empty line.
            3 => return Press::GivenUp,
            4 if self.0.is_empty() => return Press::GivenUp,
            // Backspace takes a whole character away.
            8 | 127 => {
                while self
                    .0
                    .pop()
                    .is_some_and(|byte| (0x80..0xc0).contains(&byte))
                {}
            }
            // Ctrl-U.
            21 => self.0.clear(),
            byte if self.0.len() < LONGEST => self.0.push(byte),
            _ => {}
        }
        Press::More
    }

    fn text(self) -> Result<String> {
        ensure!(!self.0.is_empty(), "no password was given");
        String::from_utf8(self.0).context("the password is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> (Press, Option<String>) {
        let mut line = Line::default();
        let mut last = Press::More;
        for byte in bytes {
            last = line.press(*byte);
        }
        (last, line.text().ok())
    }

    #[test]
    fn a_line_is_edited_as_on_a_terminal() {
        assert_eq!(typed(b"abc\r"), (Press::Done, Some("abc".to_owned())));
        assert_eq!(
            typed("aö\x7fb\n".as_bytes()),
            (Press::Done, Some("ab".to_owned()))
        );
        assert_eq!(
            typed(b"wrong\x15right\n"),
            (Press::Done, Some("right".to_owned()))
        );
        assert_eq!(typed(b"abc\x03").0, Press::GivenUp);
        assert_eq!(typed(b"\x04").0, Press::GivenUp);
        assert_eq!(typed(b"\x7f\n"), (Press::Done, None));
    }
}
