//! What is said about functions: code is loaded once, before the freeze; events follow, after it.
//!
//! ```text
//! host                                     agent
//!   Opening {LoadFunction}     ───────►             then the code as a tar in Stdin* StdinEnd
//!                              ◄───────   Stdout* Stderr*        what the initialisation says
//!                              ◄───────   Exit | Failed          0: loaded, and ready to be frozen
//!
//!   Opening {wake?, Invoke}    ───────►             a short text event travels in it; else Stdin* StdinEnd
//!                              ◄───────   Stdout* Stderr*        the invocation's log
//!                              ◄───────   ResultHead? Result*    what the function returns
//!                              ◄───────   Invoked | Failed       exactly one, and the last frame
//! ```

use serde::{Deserialize, Serialize};

use crate::{ExitStatus, GuestTimings};

/// Where a function's code lies inside the guest (the place of AWS Lambda's `LAMBDA_TASK_ROOT`).
pub const CODE_FOLDER: &str = "/var/task";

/// The variable that tells a server of kind `http` where to listen.
pub const PORT_VARIABLE: &str = "PORT";

/// The header of a request that a server is sent around the freeze; its value is the hook's name.
pub const HOOK_HEADER: &str = "x-thaw-hook";

/// How a function is run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FunctionKind {
    /// `module.function(event, context)` in a CPython that has imported the module.
    Python {
        /// `module.function`; folders are separated by `/` or `.`.
        handler: String,
    },
    /// `exports.function(event, context)` in a node that has loaded the module.
    Node {
        /// `module.function`; folders are separated by `/`.
        handler: String,
    },
    /// A program for each event: the event on standard input, the result on standard output.
    Command {
        /// The program and its arguments; not empty.
        argv: Vec<String>,
    },
    /// A program that speaks AWS Lambda's Runtime API: it is frozen when it asks for its first event.
    Lambda {
        /// The program and its arguments. Empty before a bake: what the image itself starts.
        argv: Vec<String>,
        /// What it is told to run, as `_HANDLER`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handler: Option<String>,
    },
    /// A server that is frozen once it listens; requests are carried to its port as they are.
    Http {
        /// The program and its arguments; not empty.
        argv: Vec<String>,
        /// The port on the guest's loopback, told to it as `PORT`.
        port: u16,
        /// Requests that it is sent around the freeze.
        #[serde(default, skip_serializing_if = "HttpHooks::is_empty")]
        hooks: HttpHooks,
    },
}

/// Paths that a server wants a `POST` to: it puts itself right around the freeze, and answers with 2xx.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpHooks {
    /// Before the freeze, once it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_snapshot: Option<String>,
    /// In each clone, before its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_restore: Option<String>,
}

impl HttpHooks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.before_snapshot.is_none() && self.after_restore.is_none()
    }
}

/// Code to load. The tar of the code folder's content follows in `Stdin` frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadFunction {
    /// How it is run.
    #[serde(flatten)]
    pub kind: FunctionKind,
    /// The function's name, for its context.
    pub name: String,
    /// The machine's memory in MiB, for its context.
    pub memory_mib: u32,
    /// Where its code goes, which is also its working directory: [`CODE_FOLDER`].
    pub folder: String,
    /// Another working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The whole environment, in order; a later entry wins.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// As in [`Exec`](crate::Exec).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How long the initialisation may take, the unpacking of the code not counted.
    pub timeout_ms: u64,
    /// How many bytes of each of its output streams are sent; the rest is thrown away.
    pub output_limit_bytes: u64,
}

/// One event for the function that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoke {
    /// The invocation's id, for its context.
    pub request_id: String,
    /// The function's version, for its context.
    pub version: String,
    /// The event's media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What a client of AWS says of itself, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_context: Option<String>,
    /// The event, when it is short text; otherwise it follows in `Stdin` frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// After this time the function is killed.
    pub timeout_ms: u64,
    /// How many bytes of each log stream are sent; the rest is thrown away.
    pub log_limit_bytes: u64,
    /// The largest result; a larger one is an error of the function.
    pub result_limit_bytes: u64,
    /// Another event may follow, so it is told whether the machine is fit for one.
    #[serde(default)]
    pub reuse: bool,
    /// A result that comes piece by piece is sent so; else it is gathered first.
    #[serde(default)]
    pub pieces: bool,
    /// The event goes the way of an event as far as nothing of the user's notices, and comes back: for a proof
    /// alone. Of a function that has no process to ask, nothing comes back.
    #[serde(default)]
    pub rehearsal: bool,
}

/// What a result is; it comes before its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultHead {
    /// Its media type, where the function's kind says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// It is the description of an error.
    #[serde(default)]
    pub is_error: bool,
}

/// How an invocation ended; it follows all of its log and result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoked {
    /// What came of it.
    pub outcome: Outcome,
    /// Memory ran out on the way, so nothing in the machine may be trusted with another event.
    #[serde(default)]
    pub out_of_memory: bool,
    /// More was logged than was allowed; the rest was thrown away.
    pub log_truncated: bool,
    /// Where the time went inside the guest.
    pub timings: GuestTimings,
}

/// What came of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The function returned; what it returned was sent as the result.
    Returned,
    /// The function raised an error; the result is its description as JSON (`errorMessage`, `errorType`, `stackTrace`).
    Raised,
    /// What it does after a thaw raised an error, so it has not seen the event; the result is the error's
    /// description, as in `Raised`.
    RestoreFailed,
    /// Its time was up.
    TimedOut,
    /// Its process ended before it had answered.
    Ended(ExitStatus),
    /// Its result is larger than was allowed.
    ResultTooLarge,
}

impl Invoked {
    /// Whether the function may serve another event.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.outcome.is_fit() && !self.out_of_memory
    }
}

impl Outcome {
    /// Whether the function's process may serve another event. What was cut off in the middle may not.
    #[must_use]
    pub fn is_fit(self) -> bool {
        match self {
            Self::Returned | Self::Raised => true,
            Self::RestoreFailed | Self::TimedOut | Self::Ended(_) | Self::ResultTooLarge => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_reads_as_it_is_documented() {
        let load: LoadFunction = serde_json::from_str(
            r#"{"kind":"python","handler":"app.handle","name":"f","memory_mib":256,"folder":"/var/task","timeout_ms":10,"output_limit_bytes":5}"#,
        )
        .unwrap();
        let handler = "app.handle".to_owned();
        assert_eq!(load.kind, FunctionKind::Python { handler });
    }

    #[test]
    fn what_was_cut_off_is_not_fit_for_another_event() {
        assert!(Outcome::Returned.is_fit() && Outcome::Raised.is_fit());
        for outcome in [
            Outcome::RestoreFailed,
            Outcome::TimedOut,
            Outcome::Ended(ExitStatus::Exited(0)),
            Outcome::ResultTooLarge,
        ] {
            assert!(!outcome.is_fit());
        }
    }
}
