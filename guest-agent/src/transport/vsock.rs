//! Sessions over vsock.

use std::convert::Infallible;

use thaw_guest_protocol::VSOCK_PORT;
use tokio_vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener};

use crate::{agent::Agent, boot::BootError, session::serve};

/// Answers the host for ever; a new connection replaces the one before.
///
/// # Errors
/// When this machine has no vsock.
pub(crate) async fn vsock(agent: Agent) -> Result<Infallible, BootError> {
    let address = VsockAddr::new(VMADDR_CID_ANY, VSOCK_PORT);
    let listener = VsockListener::bind(address).map_err(BootError::system("listen on vsock"))?;
    let accept = async || {
        let accepted = listener.accept().await;
        accepted.map_err(BootError::system("accept on vsock"))
    };
    let (mut connection, _) = accept().await?;
    loop {
        tokio::select! {
            next = accept() => connection = next?.0,
            // However it ends, the next one may come.
            _ = serve(&mut connection, agent.clone()) => connection = accept().await?.0,
        }
    }
}
