//! Sessions over the virtio-serial port.

use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use thaw_guest_protocol::PORT_NAME;
use tokio::time::timeout;

use super::{port::Port, sessions::Sessions, uevent::Uevents};
use crate::{agent::Agent, boot::BootError, session::serve};

const PORTS: &str = "/sys/class/virtio-ports";

/// How long the port may take to appear after its driver was loaded, under emulation on a busy host.
const APPEARANCE: Duration = Duration::from_secs(30);

/// Answers the host for ever, one session after the other.
///
/// # Errors
/// When the port does not appear, or can't be opened.
pub(crate) async fn serial(agent: Agent) -> Result<Infallible, BootError> {
    let uevents = Uevents::listen().map_err(BootError::system("listen for devices"))?;
    let missing = || BootError::NoPort { name: PORT_NAME };
    let path = timeout(APPEARANCE, find(&uevents))
        .await
        .map_err(|_| missing())?
        .map_err(BootError::system("look for the virtio-serial port"))?;
    drop(uevents);
    loop {
        // Opened anew for each session: what an earlier host left unread goes with the closing, and
        // the host can see by it that the agent is ready for the next session.
        let port = Port::open(&path).map_err(BootError::system("open the virtio-serial port"))?;
        port.host_is_there()
            .await
            .map_err(BootError::system("wait for the host"))?;
        let mut sessions = Sessions::new(port, agent.clone());
        loop {
            // However a session ends, the next one may begin; its own host has been told by its end.
            let _ = serve(&mut sessions, agent.clone()).await;
            if !sessions.next_session().await {
                break;
            }
        }
    }
}

/// The port may already be there, or be announced.
async fn find(uevents: &Uevents) -> io::Result<PathBuf> {
    loop {
        if let Some(path) = look(Path::new(PORTS))? {
            return Ok(path);
        }
        uevents.next().await?;
    }
}

fn look(ports: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(ports) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // The name comes after the port, in a message of its own.
        let Ok(name) = fs::read_to_string(entry.path().join("name")) else {
            continue;
        };
        if name.trim_end() == PORT_NAME {
            return Ok(Some(Path::new("/dev").join(entry.file_name())));
        }
    }
    Ok(None)
}
