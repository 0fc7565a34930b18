//! Programs over WebSockets.

use bytes::Bytes;
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use reqwest::{Method, StatusCode, Upgraded, header};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use super::{Client, ClientError, admin::in_path};
use crate::{
    ExecExit, ExecSocketStart, SocketControl, SocketEnd, TerminalSize,
    socket::{STDERR_CHANNEL, STDOUT_CHANNEL},
};

/// A terminal to open.
#[derive(Debug, Clone, Default)]
pub struct OpenTerminal {
    /// Its size; 80 by 24 when absent.
    pub size: Option<TerminalSize>,
    /// A command line for `/bin/sh -c`; a shell when absent.
    pub command: Option<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The variable TERM.
    pub term: Option<String>,
}

/// One event of a program's run. The last is `Exit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEvent {
    /// Standard output; of a terminal, everything.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The program has ended.
    Exit(ExecExit),
}

/// What goes into a running program. Dropping both ends ends the program.
#[derive(Debug)]
pub struct SocketInput(SplitSink<WebSocketStream<Upgraded>, Message>);

/// What comes out of a running program.
#[derive(Debug)]
pub struct SocketOutput {
    stream: SplitStream<WebSocketStream<Upgraded>>,
    channels: bool,
}

impl Client {
    /// Opens a terminal in a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn terminal(
        &self,
        vm: &str,
        how: &OpenTerminal,
    ) -> Result<(SocketInput, SocketOutput), ClientError> {
        let size = how.size.unwrap_or(TerminalSize { cols: 80, rows: 24 });
        let mut path = format!(
            "/v1/vms/{}/terminal?cols={}&rows={}",
            in_path(vm),
            size.cols,
            size.rows
        );
        let words = [
            ("command", &how.command),
            ("cwd", &how.cwd),
            ("user", &how.user),
            ("term", &how.term),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", in_path(value)));
            }
        }
        let (sink, stream) = self.socket(&path).await?.split();
        let output = SocketOutput {
            stream,
            channels: false,
        };
        Ok((SocketInput(sink), output))
    }

    /// Runs a program in a VM with standard input and signals.
    ///
    /// # Errors
    /// See [`ClientError`]; that a program could not be started is the first event.
    pub async fn exec_socket(
        &self,
        vm: &str,
        start: &ExecSocketStart,
    ) -> Result<(SocketInput, SocketOutput), ClientError> {
        let path = format!("/v1/vms/{}/exec/ws", in_path(vm));
        let (sink, stream) = self.socket(&path).await?.split();
        let mut input = SocketInput(sink);
        input.text(start).await?;
        let output = SocketOutput {
            stream,
            channels: true,
        };
        Ok((input, output))
    }

    pub(super) async fn socket(
        &self,
        path: &str,
    ) -> Result<WebSocketStream<Upgraded>, ClientError> {
        let key = generate_key();
        let request = self
            .request(Method::GET, path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let response =
            self.answer_with(request, |status| status == StatusCode::SWITCHING_PROTOCOLS);
        let response = response.await?;
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accepted| accepted != derive_accept_key(key.as_bytes()).as_str()) {
            return Err(ClientError::NotThaw {
                status: response.status().as_u16(),
                body: String::new(),
            });
        }
        let upgraded = response.upgrade().await.map_err(ClientError::Answer)?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
    }
}

impl SocketInput {
    /// Sends standard input.
    ///
    /// # Errors
    /// [`ClientError::CutOff`] when the server is gone.
    pub async fn stdin(&mut self, bytes: Bytes) -> Result<(), ClientError> {
        let sent = self.0.send(Message::Binary(bytes)).await;
        sent.map_err(|_| ClientError::CutOff)
    }

    /// Sends a signal, a terminal's size, or the end of standard input.
    ///
    /// # Errors
    /// [`ClientError::CutOff`] when the server is gone.
    pub async fn control(&mut self, control: SocketControl) -> Result<(), ClientError> {
        self.text(&control).await
    }

    async fn text<T: serde::Serialize>(&mut self, message: &T) -> Result<(), ClientError> {
        let text = serde_json::to_string(message).map_err(|source| ClientError::EventData {
            event: "control".to_owned(),
            source,
        })?;
        let sent = self.0.send(Message::Text(text.into())).await;
        sent.map_err(|_| ClientError::CutOff)
    }
}

impl SocketOutput {
    /// The next event; after [`SocketEvent::Exit`] there is none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the program could not be started or was lost; [`ClientError::CutOff`] when
    /// the server hung up without a last word.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<SocketEvent, ClientError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Some(event) = self.output(bytes) {
                        return Ok(event);
                    }
                }
                Some(Ok(Message::Text(text))) => return end(&text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(ClientError::CutOff),
            }
        }
    }

    fn output(&self, mut bytes: Bytes) -> Option<SocketEvent> {
        if !self.channels {
            return Some(SocketEvent::Stdout(bytes));
        }
        let channel = bytes.split_to(1.min(bytes.len()));
        match *channel.first()? {
            STDOUT_CHANNEL => Some(SocketEvent::Stdout(bytes)),
            STDERR_CHANNEL => Some(SocketEvent::Stderr(bytes)),
            // A channel of a later version.
            _ => None,
        }
    }
}

fn end(text: &str) -> Result<SocketEvent, ClientError> {
    match serde_json::from_str(text) {
        Ok(SocketEnd::Exit(exit)) => Ok(SocketEvent::Exit(exit)),
        Ok(SocketEnd::Error { error }) => Err(ClientError::Refused(error)),
        Err(source) => Err(ClientError::EventData {
            event: "end".to_owned(),
            source,
        }),
    }
}
