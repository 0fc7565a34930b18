//! What the control frames carry.

use serde::{Deserialize, Serialize};

use crate::{
    BackgroundExec, BackgroundOperation, FileInfo, FileOperation, Handover, Invoke, LoadFunction,
    SecretBytes,
};

/// The first frame of every stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// What a clone that has just been restored must put right before anything else runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
    /// The operation.
    pub request: Request,
}

/// What makes a restored clone a machine of its own, and puts a machine right that stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Fresh random bytes (64) for the kernel's generator and, through it, for every interpreter's.
    pub entropy: SecretBytes,
    /// The wall clock, nanoseconds since 1970-01-01 UTC.
    pub wall_clock_ns: u64,
    /// The host name; a label of RFC 1123. A machine that goes on as itself keeps what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The machine id: 32 lower-case hex digits (machine-id(5)). Absent as the host name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
}

/// An operation. Its name stands before it, not in it: a parser that learns only then what it has read keeps all
/// of it aside first, which under emulation costs a clone two milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Run a program; ends with `Exit`.
    Exec(Exec),
    /// Run source code in an interpreter that is already there; ends with `Exit`.
    Code(CodeRun),
    /// The same, but the interpreter stays as it was: its namespace is thrown away. For a proof alone, because
    /// what the code imports or starts is left behind; ends with `Exit`.
    Rehearse(CodeRun),
    /// Load a function's code and initialise it; ends with `Exit`, 0 when it is ready to be frozen.
    LoadFunction(LoadFunction),
    /// Give an event to the function that was loaded; ends with `Invoked`.
    Invoke(Invoke),
    /// Say who is there; replies [`Reply::Info`].
    Info,
    /// Say what is used; replies [`Reply::Usage`].
    Usage,
    /// Do something with the guest's files; see [`FileOperation`] for what it replies.
    Files(FileOperation),
    /// Do something with programs in the background; see [`BackgroundOperation`] for what it replies.
    Background(BackgroundOperation),
    /// Connect to a port of the guest itself: `Begun` with [`Reply::Connected`], then `Data` both ways; `DataEnd`
    /// closes one side's half. Replies [`Reply::Done`] when both halves are closed. Where nothing listens it is
    /// [`FailureKind::ConnectionRefused`].
    Dial {
        /// The port, of 127.0.0.1, or of ::1 where nothing listens there.
        port: u16,
    },
    /// Get ready to be frozen into a template: start interpreters, go once through the paths that
    /// will be taken, write back and drop what need not be kept; replies [`Reply::Done`].
    Prepare {
        /// The image's own environment (`K=V`), which resident interpreters start with.
        env: Vec<(String, String)>,
    },
    /// Go once through the paths of an exec and of a code run, leaving nothing behind, so that a
    /// restored clone is warm and known to work; replies [`Reply::Done`].
    Prove,
    /// Bring every program to rest, so that none runs until [`Request::Continue`] and programs that are asked
    /// for meanwhile wait; replies [`Reply::Done`] when all stand still. One that can't be stopped
    /// within 5 seconds is a failure, and then all go on.
    ///
    /// A guest at rest whose connection ends keeps its programs: the host went on elsewhere.
    Quiesce {
        /// The word with which another host takes over the connection until [`Request::Continue`]; a later
        /// one takes the place of an earlier one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handover: Option<Handover>,
    },
    /// Let the programs go on, after what came with the opening was put right; replies [`Reply::Done`]. It
    /// is no error when they run.
    Continue,
    /// Let the file system of the scratch disk have `bytes`, which the host has made the disk's size; replies
    /// [`Reply::Done`].
    GrowDisk {
        /// The size, in bytes.
        bytes: u64,
    },
    /// Write everything back and power off; replies [`Reply::Done`] first.
    Shutdown,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// What to run.
    pub program: Program,
    /// The whole environment, in order; a later entry wins. Nothing is inherited from the agent.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The working directory; `/` when absent. It must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// `name`, `uid`, `name:group` or `uid:gid`, looked up in the guest's own files; root when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether `Stdin` frames follow; otherwise standard input is `/dev/null`.
    #[serde(default)]
    pub stdin: bool,
    /// After this time the whole process group is killed; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How many bytes of each output stream are sent; the rest is read and thrown away.
    pub output_limit_bytes: u64,
    /// Run on a terminal of this size; standard error is then part of standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pty: Option<PtySize>,
}

/// What an exec runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A program and its arguments, found through the `PATH` of the exec's environment; never empty.
    Argv(Vec<String>),
    /// A command line for `/bin/sh -c`.
    Shell(String),
}

/// Source code to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRun {
    /// The language.
    pub language: Language,
    /// The source.
    pub code: String,
    /// Added to the environment of the interpreter; a later entry wins.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The working directory; `/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Whether `Stdin` frames follow; otherwise standard input is `/dev/null`.
    #[serde(default)]
    pub stdin: bool,
    /// After this time the whole process group is killed; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How many bytes of each output stream are sent; the rest is read and thrown away.
    pub output_limit_bytes: u64,
    /// Leave the resident interpreter as it was (each run gets a fork of it): for a VM that lives on.
    /// A clone that serves once hands the resident interpreter itself to the code, which is faster.
    #[serde(default)]
    pub keep_interpreter: bool,
}

/// A language whose interpreter can be resident in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// CPython 3.
    Python,
}

/// A terminal's size, in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtySize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// A word to a running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Send a signal to its process group.
    Signal {
        /// The signal's number (signal(7), x86-64).
        signal: i32,
    },
    /// The terminal has a new size.
    Resize(PtySize),
}

/// How a program ended; it follows all of its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// It was killed because its time was up.
    pub timed_out: bool,
    /// More standard output came than was allowed; the rest was thrown away.
    pub stdout_truncated: bool,
    /// The same for standard error.
    pub stderr_truncated: bool,
    /// Where the time went inside the guest.
    pub timings: GuestTimings,
}

/// A program's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It ended by itself with this code (0 to 255).
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// Where the time went inside the guest, in microseconds of the guest's monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestTimings {
    /// Putting right what a restored clone must put right.
    pub wake_us: u64,
    /// From the request to the program running.
    pub spawn_us: u64,
    /// From the program running to its end, output included.
    pub run_us: u64,
}

/// The answer to an operation that runs no program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Who is there.
    Info(AgentInfo),
    /// What is used.
    Usage(GuestUsage),
    /// A file as it is now.
    File(FileInfo),
    /// A file whose content follows.
    Content {
        /// The file.
        info: FileInfo,
        /// Where the content begins.
        offset_bytes: u64,
        /// How much follows; absent for files whose size their file system does not know (/proc).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length_bytes: Option<u64>,
    },
    /// The end of a list of entries.
    Listed {
        /// There are entries after the last one that was sent.
        more: bool,
    },
    /// A program in the background as it is now.
    Exec(BackgroundExec),
    /// All programs in the background.
    Execs {
        /// They, the oldest first.
        execs: Vec<BackgroundExec>,
    },
    /// The port has taken the connection.
    Connected,
    /// It is done.
    Done,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// The agent's [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
    pub protocol: u16,
    /// The agent's own version.
    pub version: String,
    /// The guest kernel's release.
    pub kernel: String,
    /// Languages whose interpreters are resident, and their versions, such as `3.11.2`.
    pub interpreters: Vec<(Language, String)>,
}

/// What is used inside the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUsage {
    /// `MemTotal` of /proc/meminfo.
    pub memory_total_bytes: u64,
    /// `MemAvailable` of /proc/meminfo.
    pub memory_available_bytes: u64,
    /// Size of the scratch disk's file system.
    pub disk_total_bytes: u64,
    /// What is free there.
    pub disk_available_bytes: u64,
    /// CPU time of the whole guest, all CPUs, idle not counted.
    pub cpu_us: u64,
    /// Processes, kernel threads not counted.
    pub processes: u64,
}

/// Why an operation could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, to decide by.
    pub kind: FailureKind,
    /// For people: what was tried and what came of it.
    pub message: String,
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The program does not exist (a shell would say 127).
    ProgramNotFound,
    /// The program is there but can't be run (a shell would say 126).
    ProgramNotExecutable,
    /// The working directory does not exist or is none.
    BadWorkingDirectory,
    /// The user or group does not exist in the image.
    UnknownUser,
    /// The image has no interpreter for the language.
    NoInterpreter,
    /// Waking failed: the clone must not run anything.
    Wake,
    /// The request makes no sense, for example an empty argv.
    BadRequest,
    /// The guest is out of memory, processes or disk.
    Exhausted,
    /// There is no such file or folder.
    NotFound,
    /// It is there already.
    Exists,
    /// A folder where something else is needed.
    IsADirectory,
    /// Something else where a folder is needed.
    NotADirectory,
    /// A device, pipe or socket where a file is needed.
    NotAFile,
    /// A folder that is not empty.
    NotEmpty,
    /// The guest's system does not permit it, even to root.
    Permission,
    /// The file system can only be read.
    ReadOnly,
    /// The guest's disk is full.
    NoSpace,
    /// Larger than the file system or a limit of the agent allows.
    TooLarge,
    /// An offset beyond the end of a file.
    OutOfRange,
    /// A path, or a name in it, that is longer than the guest's system allows.
    NameTooLong,
    /// The bytes sent are not what they should be, for example no tar archive.
    BadData,
    /// The data ended before they were whole.
    CutOff,
    /// There is no such program in the background.
    NoSuchExec,
    /// Nothing listens on the port.
    ConnectionRefused,
    /// The function's process ended after its last event: this one was given to nobody.
    FunctionEnded,
    /// Anything else that the guest's system refused.
    System,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_reads_as_it_is_documented() {
        let opening: Opening = serde_json::from_str(
            r#"{"request":{"exec":{"program":{"argv":["true"]},"output_limit_bytes":10}}}"#,
        )
        .unwrap();
        let Request::Exec(exec) = opening.request else {
            panic!("not an exec")
        };
        assert_eq!(exec.program, Program::Argv(vec!["true".into()]));
        assert_eq!(exec.timeout_ms, None);
        assert!(opening.wake.is_none());
    }

    #[test]
    fn every_kind_of_reply_can_be_written_and_read() {
        let exec = BackgroundExec {
            id: crate::ExecId(7),
            command: "true".into(),
            started_at_ms: 1,
            end: None,
            stdout: crate::StreamInfo::default(),
            stderr: crate::StreamInfo::default(),
        };
        for reply in [
            Reply::Usage(GuestUsage::default()),
            Reply::Listed { more: true },
            Reply::Exec(exec.clone()),
            Reply::Execs { execs: vec![exec] },
            Reply::Execs { execs: Vec::new() },
            Reply::Connected,
            Reply::Done,
        ] {
            let json = serde_json::to_vec(&reply).unwrap();
            assert_eq!(serde_json::from_slice::<Reply>(&json).unwrap(), reply);
        }
    }

    #[test]
    fn entropy_never_shows_in_debug_output() {
        let wake = Wake {
            entropy: SecretBytes(vec![7; 64]),
            wall_clock_ns: 1,
            hostname: Some("a".into()),
            machine_id: Some("0".repeat(32)),
        };
        assert!(format!("{wake:?}").contains("SecretBytes(64 bytes)"));
    }

    #[test]
    fn a_failure_kind_of_a_later_version_is_unknown_and_not_an_error() {
        let failure: Failure =
            serde_json::from_str(r#"{"kind":"from_the_future","message":"m"}"#).unwrap();
        assert_eq!(failure.kind, FailureKind::Unknown);
    }
}
