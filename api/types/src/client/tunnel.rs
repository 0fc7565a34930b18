//! Connections to ports inside VMs.

use bytes::Bytes;
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use reqwest::Upgraded;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{Client, ClientError, admin::in_path};
use crate::TunnelMessage;

/// What goes to a port. Dropping both ends closes the connection.
#[derive(Debug)]
pub struct TunnelInput(SplitSink<WebSocketStream<Upgraded>, Message>);

/// What comes from a port.
#[derive(Debug)]
pub struct TunnelOutput(SplitStream<WebSocketStream<Upgraded>>);

impl Client {
    /// Connects to a port inside a VM.
    ///
    /// # Errors
    /// See [`ClientError`]; `port_refused` where nothing listens.
    pub async fn tunnel(
        &self,
        vm: &str,
        port: u16,
    ) -> Result<(TunnelInput, TunnelOutput), ClientError> {
        let path = format!("/v1/vms/{}/tcp/{port}", in_path(vm));
        let (sink, stream) = self.socket(&path).await?.split();
        Ok((TunnelInput(sink), TunnelOutput(stream)))
    }
}

impl TunnelInput {
    /// Sends bytes; waits while the port takes no more.
    ///
    /// # Errors
    /// [`ClientError::CutOff`] when the connection is closed.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), ClientError> {
        let sent = self.0.send(Message::Binary(bytes)).await;
        sent.map_err(|_| ClientError::CutOff)
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn end(&mut self) -> Result<(), ClientError> {
        let text = serde_json::to_string(&TunnelMessage::End).map_err(|source| {
            ClientError::EventData {
                event: "end".to_owned(),
                source,
            }
        })?;
        let sent = self.0.send(Message::Text(text.into())).await;
        sent.map_err(|_| ClientError::CutOff)
    }
}

impl TunnelOutput {
    /// The next bytes; `None` when the port sends no more.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the connection in the VM broke, [`ClientError::CutOff`] when it is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Message::Text(text))) => {
                    return match serde_json::from_str(&text) {
                        Ok(TunnelMessage::End) => Ok(None),
                        Ok(TunnelMessage::Error { error }) => Err(ClientError::Refused(error)),
                        Err(source) => Err(ClientError::EventData {
                            event: "end".to_owned(),
                            source,
                        }),
                    };
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(ClientError::CutOff),
                Some(Ok(_)) => {}
            }
        }
    }
}
