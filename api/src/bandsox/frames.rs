//! Frames of a terminal, which BandSox's clients read in three ways.
//!
//! Its dashboard wants plain text; its SDKs and its command line want base64. A browser's page is known by
//! its `Origin` header without the subprotocol `bandsox.terminal`. One version of the command line guesses
//! from the length of a frame whether it is base64, so frames for it are never shorter than eight characters.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How a client reads frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// As they are.
    Plain,
    /// As base64.
    Base64,
    /// As base64 of at least four bytes; NULs, which terminals ignore, fill it up.
    PaddedBase64,
}

impl Framing {
    /// What the handshake's headers tell of the client.
    pub(super) fn of(has_origin: bool, has_subprotocol: bool, user_agent: &str) -> Self {
        if has_origin && !has_subprotocol {
            return Self::Plain;
        }
        if user_agent.starts_with("Python/") && user_agent.contains("websockets/") {
            Self::PaddedBase64
        } else {
            Self::Base64
        }
    }

    pub(super) fn encode(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Base64 => STANDARD.encode(text),
            Self::PaddedBase64 if text.len() < 4 => {
                let mut padded = [0; 4];
                padded[..text.len()].copy_from_slice(text.as_bytes());
                STANDARD.encode(padded)
            }
            Self::PaddedBase64 => STANDARD.encode(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_plain_text_and_everybody_else_base64() {
        assert_eq!(Framing::of(true, false, "Mozilla/5.0"), Framing::Plain);
        assert_eq!(Framing::of(true, true, "Mozilla/5.0"), Framing::Base64);
        assert_eq!(Framing::of(false, false, "node"), Framing::Base64);
        assert_eq!(
            Framing::of(false, false, "Python/3.11 websockets/15.0"),
            Framing::PaddedBase64
        );
    }

    #[test]
    fn a_short_frame_for_the_command_line_is_filled_up() {
        assert_eq!(Framing::PaddedBase64.encode("$ ").len(), 8);
        assert_eq!(Framing::Base64.encode("$ ").len(), 4);
    }
}
