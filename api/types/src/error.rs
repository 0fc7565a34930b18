//! The one shape of errors, and their codes.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};

/// The body of every error under `/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// To decide by.
    pub code: ErrorCode,
    /// For people: what was tried and what came of it.
    pub message: String,
    /// What mends it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $wire:literal, $status:literal;)+) => {
        /// What went wrong, to decide by. Clients must expect codes that they don't know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $wire)] $variant,)+
            /// A code of a later version.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ErrorCode {
            /// Every code that this version sends.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                    Self::Unknown => "unknown",
                }
            }

            /// The HTTP status that it comes with.
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                    Self::Unknown => 500,
                }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                    Self::Unknown => "A code of a later version.",
                }
            }
        }
    };
}

error_codes! {
    /// The body is not JSON.
    BadJson = "bad_json", 400;
    /// The request makes no sense; the message lists everything that is wrong with it.
    InvalidRequest = "invalid_request", 422;
    /// The body's content type is not one that the route takes.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The body is larger than the route takes.
    BodyTooLarge = "body_too_large", 413;
    /// The body ended before it was whole.
    BodyCutOff = "body_cut_off", 400;
    /// There is no such route.
    RouteNotFound = "route_not_found", 404;
    /// The route does not know this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The Host header names a host that this server does not answer for.
    HostNotAllowed = "host_not_allowed", 403;
    /// A web page of another origin may not call this server.
    OriginNotAllowed = "origin_not_allowed", 403;
    /// The server does not know who asks.
    Unauthorized = "unauthorized", 401;
    /// Whoever asks is known and may not do this.
    Forbidden = "forbidden", 403;
    /// No admin password is set.
    AuthOff = "auth_off", 409;
    /// No such API key.
    KeyNotFound = "key_not_found", 404;
    /// Another API key has this name.
    KeyNameTaken = "key_name_taken", 409;
    /// There are as many API keys as there may be.
    TooManyKeys = "too_many_keys", 409;
    /// No such image here, in the Docker daemon or in the registry.
    ImageNotFound = "image_not_found", 404;
    /// The image is still being made; the making goes on, try again.
    ImageBuilding = "image_building", 503;
    /// The registry or daemon wants other credentials.
    ImageAccessDenied = "image_access_denied", 403;
    /// The Docker daemon, the registry or a package source could not be reached.
    ImageSourceUnavailable = "image_source_unavailable", 502;
    /// What was given is no usable image.
    ImageInvalid = "image_invalid", 422;
    /// The image could not be made.
    ImageFailed = "image_failed", 500;
    /// A template or VM uses the image.
    ImageInUse = "image_in_use", 409;
    /// No such template.
    TemplateNotFound = "template_not_found", 404;
    /// The template is still being baked; the bake goes on, try again.
    TemplateBaking = "template_baking", 503;
    /// The template's files are damaged or of another version.
    TemplateUnusable = "template_unusable", 500;
    /// Clones or shells use the template.
    TemplateInUse = "template_in_use", 409;
    /// The template could not be baked.
    BakeFailed = "bake_failed", 500;
    /// No such pool.
    PoolNotFound = "pool_not_found", 404;
    /// Too many callers wait for this pool already.
    PoolFull = "pool_full", 429;
    /// The node's budget of VMs or memory is spent.
    NodeFull = "node_full", 503;
    /// Too many requests run at once.
    TooManyRequests = "too_many_requests", 429;
    /// Restores of this template keep failing; the next try is later.
    RestoresFailing = "restores_failing", 503;
    /// No VM became ready in time.
    StartTimeout = "start_timeout", 504;
    /// The server is shutting down.
    ShuttingDown = "shutting_down", 503;
    /// The disk is full.
    DiskFull = "disk_full", 507;
    /// The program does not exist in the image (a shell would say 127).
    ProgramNotFound = "program_not_found", 422;
    /// The program exists but can't be run (a shell would say 126).
    ProgramNotExecutable = "program_not_executable", 422;
    /// The working directory does not exist in the image.
    BadWorkingDirectory = "bad_working_directory", 422;
    /// The user or group does not exist in the image.
    UnknownUser = "unknown_user", 422;
    /// The image has no interpreter for the language.
    NoInterpreter = "no_interpreter", 422;
    /// The request names no program and the image has neither ENTRYPOINT nor CMD.
    NothingToRun = "nothing_to_run", 422;
    /// The guest is out of memory, processes or disk.
    GuestExhausted = "guest_exhausted", 503;
    /// The guest's system refused.
    GuestFailed = "guest_failed", 502;
    /// The guest's kernel panicked while the program ran.
    GuestPanicked = "guest_panicked", 502;
    /// The VM ended while the program ran.
    VmEnded = "vm_ended", 502;
    /// The VM no longer answers.
    VmLost = "vm_lost", 502;
    /// No such VM.
    VmNotFound = "vm_not_found", 404;
    /// Another VM has this name.
    VmNameTaken = "vm_name_taken", 409;
    /// The ids of several VMs begin so.
    VmAmbiguous = "vm_ambiguous", 409;
    /// No more VMs can be made: the node's limit or the key's is reached.
    VmLimit = "vm_limit", 429;
    /// The VM is paused because somebody asked for it; it must be resumed first.
    VmPaused = "vm_paused", 409;
    /// The VM is stopped; it must be started first.
    VmStopped = "vm_stopped", 409;
    /// The VM could not be brought into the wanted state.
    VmFailed = "vm_failed", 502;
    /// Disks of that size can't be had.
    DiskTooLarge = "disk_too_large", 422;
    /// No such snapshot.
    SnapshotNotFound = "snapshot_not_found", 404;
    /// The ids of several snapshots begin so.
    SnapshotAmbiguous = "snapshot_ambiguous", 409;
    /// Another snapshot has this name.
    SnapshotNameTaken = "snapshot_name_taken", 409;
    /// VMs are being restored from the snapshot.
    SnapshotInUse = "snapshot_in_use", 409;
    /// No more snapshots can be taken: the node's limit or the key's is reached.
    SnapshotLimit = "snapshot_limit", 409;
    /// The daemon may not read the memory of its VMs, which takes CAP_SYS_PTRACE.
    SnapshotsNotPermitted = "snapshots_not_permitted", 501;
    /// The snapshot is damaged, of another version, or taken under another VMM.
    SnapshotUnusable = "snapshot_unusable", 500;
    /// The snapshot could not be taken.
    SnapshotFailed = "snapshot_failed", 502;
    /// Too many programs run in this VM at once.
    VmBusy = "vm_busy", 429;
    /// There is no such file or folder in the VM.
    FileNotFound = "file_not_found", 404;
    /// There is a file or folder of that name already.
    FileExists = "file_exists", 409;
    /// The path names a folder where a file is needed.
    IsADirectory = "is_a_directory", 409;
    /// The path, or a part of it, is no folder.
    NotADirectory = "not_a_directory", 409;
    /// The path names a device, pipe or socket where a file is needed.
    NotAFile = "not_a_file", 409;
    /// The folder is not empty.
    DirectoryNotEmpty = "directory_not_empty", 409;
    /// The VM's system does not permit it.
    FileNotPermitted = "file_not_permitted", 403;
    /// The VM's disk is full.
    GuestDiskFull = "guest_disk_full", 507;
    /// The file is larger than the VM's file system allows.
    FileTooLarge = "file_too_large", 413;
    /// The range lies beyond the end of the file.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// The path, or a name in it, is longer than Linux allows.
    PathTooLong = "path_too_long", 422;
    /// What was sent is not what it should be, for example no tar archive.
    BadContent = "bad_content", 422;
    /// No such program in the background of the VM.
    ExecNotFound = "exec_not_found", 404;
    /// Nothing listens on that port in the VM.
    PortRefused = "port_refused", 502;
    /// What listens on the port in the VM gave no HTTP answer.
    PortNoAnswer = "port_no_answer", 502;
    /// The connection to the port in the VM broke.
    PortBroken = "port_broken", 502;
    /// No such function.
    FunctionNotFound = "function_not_found", 404;
    /// The function has no such version or alias.
    FunctionVersionNotFound = "function_version_not_found", 404;
    /// The function has no such event.
    FunctionEventNotFound = "function_event_not_found", 404;
    /// The function has another event with that id.
    FunctionEventIdTaken = "function_event_id_taken", 409;
    /// The newest version, or one that an alias leads to.
    FunctionVersionInUse = "function_version_in_use", 409;
    /// The alias has led nowhere else.
    FunctionNoPrevious = "function_no_previous", 409;
    /// There are too many functions, or versions of one.
    TooManyFunctions = "too_many_functions", 409;
    /// The function's code is no archive that can be taken.
    CodeInvalid = "code_invalid", 422;
    /// The function's code is too large, packed or unpacked.
    CodeTooLarge = "code_too_large", 413;
    /// The function's initialisation failed; the message ends with its own output.
    FunctionInitFailed = "function_init_failed", 422;
    /// The function serves and queues as many events as it may.
    FunctionBusy = "function_busy", 429;
    /// The function takes events where a request came, or requests where an event came.
    FunctionWrongKind = "function_wrong_kind", 422;
    /// The function closed the connection without an answer.
    FunctionNoAnswer = "function_no_answer", 502;
    /// The server failed; its log says more.
    Internal = "internal", 500;
}

/// Written by hand: the derive does not see the names on the wire through the macro.
impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let words =
            "What went wrong, to decide by. Clients must expect codes that they don't know.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(words))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

impl ToSchema for ErrorCode {}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_as_it_is_written() {
        for code in ErrorCode::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
            assert!(code.status() >= 400);
            assert!(code.meaning().ends_with('.') || code.meaning().ends_with(')'));
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_unknown_and_not_an_error() {
        let body: ErrorBody =
            serde_json::from_str(r#"{"error":{"code":"from_the_future","message":"m"}}"#).unwrap();
        assert_eq!(body.error.code, ErrorCode::Unknown);
    }
}
