//! One interpreter that is waiting.

use std::{
    collections::HashMap,
    ffi::CString,
    io::{self, IoSlice},
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{
        AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
    },
    unistd::pipe2,
};
use thaw_guest_protocol::{Exec, Program};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::JoinSet,
};

use super::{
    Turned,
    message::{EVENT_BYTES, Event, Mode, Source, decode},
};
use crate::{
    exec::resolve,
    failure::OperationError,
    process::{Child, Children},
    sys::watch,
};

/// The program that waits and then becomes the user's.
const HARNESS: &str = include_str!("python_harness.py");

/// Takes the harness from descriptor 3 and runs it in a namespace of its own.
const STARTER: &str = "import _socket as s\n\
    c=s.socket(s.AF_UNIX,s.SOCK_STREAM,0,3)\n\
    n=int(c.recv(8,s.MSG_WAITALL))\n\
    exec(compile(c.recv(n,s.MSG_WAITALL),'<thaw>','exec'),{'control':c})";

/// Two events at most belong to one request.
const EVENTS: usize = 2;

type Waiting = Arc<Mutex<HashMap<u32, mpsc::Sender<Event>>>>;

/// A python that has been started and waits for code. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Resident {
    child: Child,
    control: Arc<AsyncFd<OwnedFd>>,
    waiting: Waiting,
    next_id: AtomicU32,
    hexversion: i32,
    /// Reads the events; ends with the interpreter.
    listener: JoinSet<()>,
}

impl Resident {
    /// Starts python and waits until it is ready.
    ///
    /// # Errors
    /// Program-not-found when the image has none; what it wrote to standard error when it did not start.
    pub(super) async fn start(
        env: &[(String, String)],
        children: &Children,
    ) -> Result<Self, OperationError> {
        let (control, child, mut errors) = launch(env, children)?;
        let waiting = Waiting::default();
        let mut ready = wait_for(&waiting, 0);
        let control = Arc::new(control);
        let mut listener = JoinSet::new();
        listener.spawn(listen(Arc::clone(&control), Arc::clone(&waiting)));
        let mut source = format!("{:08}", HARNESS.len()).into_bytes();
        source.extend_from_slice(HARNESS.as_bytes());
        // When it has died already, the missing event says so.
        let _ = send(&control, &source, &[]).await;
        let Some(Event::Ready(hexversion)) = ready.recv().await else {
            return Err(OperationError::refused(
                thaw_guest_protocol::FailureKind::System,
                format!("python3 did not start: {}", last_words(&mut errors)),
            ));
        };
        Ok(Self {
            child,
            control,
            waiting,
            next_id: AtomicU32::new(1),
            hexversion,
            listener,
        })
    }

    /// Its version, such as `3.11.2`.
    pub(super) fn version(&self) -> String {
        let [major, minor, micro, _] = self.hexversion.to_be_bytes();
        format!("{major}.{minor}.{micro}")
    }

    /// Runs a snippet in a namespace that is thrown away; returns its exit code.
    ///
    /// # Errors
    /// When the interpreter is gone.
    pub(super) async fn prove(&self, source: &Source<'_>, fds: &[OwnedFd]) -> io::Result<i32> {
        let mut events = self.rehearse(source, fds).await?;
        match events.recv().await {
            Some(Event::Done(code)) => Ok(code),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The same; its event follows.
    ///
    /// # Errors
    /// When the interpreter is gone; nothing has run then.
    pub(super) async fn rehearse(
        &self,
        source: &Source<'_>,
        fds: &[OwnedFd],
    ) -> io::Result<mpsc::Receiver<Event>> {
        self.request(Mode::Prove, source, fds).await
    }

    /// Turns the interpreter into the program.
    ///
    /// # Errors
    /// When the interpreter is gone; nothing has run then.
    pub(super) async fn run(self, source: &Source<'_>, fds: &[OwnedFd]) -> io::Result<Turned> {
        let events = self.request(Mode::Run, source, fds).await?;
        Ok(Turned::new(self.child, events, self.listener))
    }

    /// Lets a fork of the interpreter be the program; its events follow.
    ///
    /// # Errors
    /// When the interpreter is gone; nothing has run then.
    pub(super) async fn fork(
        &self,
        source: &Source<'_>,
        fds: &[OwnedFd],
    ) -> io::Result<mpsc::Receiver<Event>> {
        self.request(Mode::Fork, source, fds).await
    }

    async fn request(
        &self,
        mode: Mode,
        source: &Source<'_>,
        fds: &[OwnedFd],
    ) -> io::Result<mpsc::Receiver<Event>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let events = wait_for(&self.waiting, id);
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
        send(&self.control, &source.encode(mode, id), &fds).await?;
        Ok(events)
    }
}

type Launched = (AsyncFd<OwnedFd>, Child, OwnedFd);

fn launch(env: &[(String, String)], children: &Children) -> Result<Launched, OperationError> {
    let system = |errno| OperationError::system("make the streams of python3", errno);
    let exec = Exec {
        program: Program::Argv(vec!["python3".into(), "-c".into(), STARTER.into()]),
        env: env.to_vec(),
        cwd: None,
        user: None,
        stdin: false,
        timeout_ms: None,
        output_limit_bytes: 0,
        pty: None,
    };
    let mut launch = resolve(&exec)?;
    // Pipes from the start: python looks once at what its streams are.
    let (input, _) = pipe2(OFlag::O_CLOEXEC).map_err(system)?;
    let (errors, output) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(system)?;
    fcntl(&output, FcntlArg::F_SETFL(OFlag::empty())).map_err(system)?;
    let second = output
        .try_clone()
        .map_err(|e| OperationError::io("make a pipe", &e))?;
    let stream = SockType::Stream;
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, stream, None, SockFlag::SOCK_CLOEXEC).map_err(system)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(system)?;
    launch.fds = vec![input, output, second, theirs];
    let name = CString::from(c"python3");
    let child = launch
        .start(children)
        .map_err(|error| OperationError::launch(&error, &name.to_string_lossy(), "/"))?;
    let control = watch(ours, Interest::READABLE | Interest::WRITABLE)
        .map_err(|e| OperationError::io("watch python3", &e))?;
    Ok((control, child, errors))
}

fn last_words(errors: &mut OwnedFd) -> String {
    let mut text = [0; 2048];
    let read = nix::unistd::read(&*errors, &mut text).unwrap_or(0);
    String::from_utf8_lossy(&text[..read]).trim().to_owned()
}

fn wait_for(waiting: &Waiting, id: u32) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(EVENTS);
    lock(waiting).insert(id, sender);
    receiver
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<u32, mpsc::Sender<Event>>> {
    // Every update is one call, so a panic elsewhere can't have left it half-done.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the bytes, the descriptors with the first of them.
async fn send(control: &AsyncFd<OwnedFd>, mut bytes: &[u8], mut fds: &[RawFd]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = control
            .async_io(Interest::WRITABLE, |socket| {
                let rights = [ControlMessage::ScmRights(fds)];
                let attached = if fds.is_empty() { &[][..] } else { &rights };
                let flags = MsgFlags::MSG_NOSIGNAL;
                let data = [IoSlice::new(bytes)];
                sendmsg::<()>(socket.as_raw_fd(), &data, attached, flags, None)
                    .map_err(io::Error::from)
            })
            .await?;
        bytes = &bytes[sent..];
        fds = &[];
    }
    Ok(())
}

/// Hands events to whoever waits for them, until the interpreter closes its side.
async fn listen(control: Arc<AsyncFd<OwnedFd>>, waiting: Waiting) {
    let mut wire = [0; EVENT_BYTES];
    let mut filled = 0;
    loop {
        let read = control.async_io(Interest::READABLE, |socket| {
            recv(socket.as_raw_fd(), &mut wire[filled..], MsgFlags::empty()).map_err(|e| match e {
                Errno::ECONNRESET => io::ErrorKind::BrokenPipe.into(),
                errno => io::Error::from(errno),
            })
        });
        match read.await {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
        if filled == EVENT_BYTES {
            filled = 0;
            hand_over(&wire, &waiting);
        }
    }
    // Whoever still waits learns that nothing comes.
    lock(&waiting).clear();
}

fn hand_over(wire: &[u8; EVENT_BYTES], waiting: &Waiting) {
    let Some((id, event)) = decode(wire) else {
        return;
    };
    let mut waiting = lock(waiting);
    if let Some(sender) = waiting.get(&id) {
        // There is room for all events of a request; a receiver that is gone wants none.
        let _ = sender.try_send(event);
        if !matches!(event, Event::Started(_)) {
            waiting.remove(&id);
        }
    }
}
