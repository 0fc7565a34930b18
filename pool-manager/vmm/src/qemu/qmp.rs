//! QEMU's control protocol: JSON lines over one socket, with one owner (qemu-qmp-ref(7)).

use std::{
    collections::VecDeque,
    io::IoSlice,
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex as AsyncMutex, oneshot, watch},
    task::JoinSet,
};

use crate::ControlError;

/// How long any command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest message that is read; QEMU's are a few hundred bytes.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// What QEMU announced by itself, newest value of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Announced {
    /// The `MIGRATION` event's status.
    pub(super) migration: Option<String>,
    /// How many loads and savings have ended.
    pub(super) migrations: u64,
    /// The guest has the agent's port open (`VSERPORT_CHANGE`).
    pub(super) port_open: Option<bool>,
    /// How many `VSERPORT_CHANGE` events there were.
    pub(super) port_changes: u64,
}

type Reply = Result<Value, String>;

/// The control connection of one QEMU. Commands are answered in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Qmp {
    writer: AsyncMutex<OwnedWriteHalf>,
    /// At most one for each command under way; commands are sent by few callers.
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<Reply>>>>,
    announced: watch::Receiver<Announced>,
    _reader: JoinSet<()>,
}

impl Qmp {
    /// Reads the greeting and leaves negotiation mode.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub(super) async fn connect(stream: UnixStream) -> Result<Self, ControlError> {
        let (reader, writer) = stream.into_split();
        let waiting = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, announced) = watch::channel(Announced::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(read(reader, waiting.clone(), sender));
        let qmp = Self {
            writer: AsyncMutex::new(writer),
            waiting,
            announced,
            _reader: tasks,
        };
        qmp.command("qmp_capabilities", Value::Null).await?;
        Ok(qmp)
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub(super) async fn command(
        &self,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, ControlError> {
        let reply = self.send(command, arguments, None).await?;
        wait(command, reply).await
    }

    /// Sends a command with a descriptor attached and waits for its answer.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub(super) async fn command_with_fd(
        &self,
        command: &'static str,
        arguments: Value,
        attached: BorrowedFd<'_>,
    ) -> Result<Value, ControlError> {
        let reply = self.send(command, arguments, Some(attached)).await?;
        wait(command, reply).await
    }

    /// Events as they are now, and a way to wait for the next.
    pub(super) fn announced(&self) -> watch::Receiver<Announced> {
        self.announced.clone()
    }

    async fn send(
        &self,
        command: &'static str,
        arguments: Value,
        attached: Option<BorrowedFd<'_>>,
    ) -> Result<oneshot::Receiver<Reply>, ControlError> {
        let message = match arguments {
            Value::Null => json!({ "execute": command }),
            arguments => json!({ "execute": command, "arguments": arguments }),
        };
        let line = format!("{message}\n");
        let (sender, receiver) = oneshot::channel();
        let mut writer = self.writer.lock().await;
        lock(&self.waiting).push_back(sender);
        let sent = match attached {
            None => 0,
            Some(fd) => send_with_fd(&writer, line.as_bytes(), fd).await?,
        };
        writer
            .write_all(&line.as_bytes()[sent..])
            .await
            .map_err(ControlError::Io)?;
        Ok(receiver)
    }
}

async fn wait(
    command: &'static str,
    reply: oneshot::Receiver<Reply>,
) -> Result<Value, ControlError> {
    tokio::time::timeout(COMMAND_TIMEOUT, reply)
        .await
        .map_err(|_| ControlError::TimedOut {
            command,
            timeout: COMMAND_TIMEOUT,
        })?
        .map_err(|_| ControlError::Closed)?
        .map_err(|message| ControlError::Refused { command, message })
}

/// Sends the line's first bytes together with the descriptor; returns how many went.
async fn send_with_fd(
    writer: &OwnedWriteHalf,
    line: &[u8],
    fd: BorrowedFd<'_>,
) -> Result<usize, ControlError> {
    let stream = writer.as_ref();
    let fds = [fd.as_raw_fd()];
    stream
        .async_io(Interest::WRITABLE, || {
            let sent = sendmsg::<()>(
                stream.as_raw_fd(),
                &[IoSlice::new(line)],
                &[ControlMessage::ScmRights(&fds)],
                MsgFlags::MSG_NOSIGNAL,
                None,
            )?;
            Ok(sent)
        })
        .await
        .map_err(ControlError::Io)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the socket ends; then every waiting command learns that it is closed.
async fn read(
    reader: OwnedReadHalf,
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<Reply>>>>,
    announced: watch::Sender<Announced>,
) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(MAX_MESSAGE_BYTES)
            .read_until(b'\n', &mut line)
            .await;
        if !matches!(read, Ok(1..)) {
            break;
        }
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            tracing::warn!(
                "a VMM sent a control message that is no JSON; its connection is dropped"
            );
            break;
        };
        if let Some(event) = message.get("event").and_then(Value::as_str) {
            announce(&announced, event, &message["data"]);
        } else if let Some(reply) = as_reply(message)
            && let Some(sender) = lock(&waiting).pop_front()
        {
            // The caller may have given up.
            let _ = sender.send(reply);
        }
    }
    lock(&waiting).clear();
}

/// `None` for what is neither an answer nor an error, such as the greeting.
fn as_reply(mut message: Value) -> Option<Reply> {
    if let Some(value) = message.get_mut("return") {
        return Some(Ok(value.take()));
    }
    let error = message.get("error")?;
    let text = error.get("desc").and_then(Value::as_str);
    Some(Err(text.unwrap_or("it gave no reason").to_owned()))
}

fn announce(announced: &watch::Sender<Announced>, event: &str, data: &Value) {
    match event {
        "MIGRATION" => {
            let status = data
                .get("status")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let ended = matches!(status.as_deref(), Some("completed" | "failed"));
            announced.send_modify(|now| {
                now.migration = status;
                now.migrations += u64::from(ended);
            });
        }
        "VSERPORT_CHANGE" => {
            let open = data.get("open").and_then(Value::as_bool);
            announced.send_modify(|now| {
                now.port_open = open;
                now.port_changes += 1;
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A VMM that greets, and answers each command with the next of `answers`.
    async fn peer(answers: &'static [&'static str]) -> (Result<Qmp, ControlError>, JoinSet<()>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (reader, mut writer) = theirs.into_split();
            let mut lines = BufReader::new(reader).lines();
            writer.write_all(b"{\"QMP\":{}}\n").await.unwrap();
            for answer in answers {
                lines.next_line().await.unwrap();
                writer.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (Qmp::connect(ours).await, tasks)
    }

    const YES: &str = "{\"return\":{}}\n";

    #[tokio::test]
    async fn an_event_ahead_of_an_answer_is_not_taken_for_it() {
        let with_event =
            "{\"event\":\"MIGRATION\",\"data\":{\"status\":\"completed\"}}\n{\"return\":7}\n";
        let answers: &'static [_] = Vec::leak(vec![YES, with_event]);
        let (qmp, _peer) = peer(answers).await;
        let qmp = qmp.unwrap();
        assert_eq!(qmp.command("stop", Value::Null).await.unwrap(), json!(7));
        assert_eq!(
            qmp.announced().borrow().migration.as_deref(),
            Some("completed")
        );
    }

    #[tokio::test]
    async fn a_refusal_carries_the_words_of_the_vmm() {
        let (qmp, _peer) =
            peer(&["{\"error\":{\"class\":\"GenericError\",\"desc\":\"no such thing\"}}\n"]).await;
        let error = qmp.unwrap_err();
        assert!(
            matches!(error, ControlError::Refused { message, .. } if message == "no such thing")
        );
    }

    #[tokio::test]
    async fn a_command_learns_at_once_that_the_vmm_is_gone() {
        let (qmp, _peer) = peer(&[YES]).await;
        let error = qmp.unwrap().command("stop", Value::Null).await.unwrap_err();
        assert!(matches!(error, ControlError::Closed | ControlError::Io(_)));
    }
}
