//! From a request's fields to what the node is asked for.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use thaw_api_types::{Encoding, VmExecRequest, limits};
use thaw_runner::node::{ExecProgram, ExecRequest};

use crate::{convert, error::ApiError};

/// What a caller sends to the program, and how it wants the answer.
#[derive(Debug)]
pub(crate) struct Form {
    pub(super) stdin: Option<Bytes>,
    pub(super) encoding: Encoding,
    pub(super) events: bool,
}

/// Checks a request and turns it into what the node is asked for. `found` is what was wrong with the rest.
/// In a VM that lives on, code must leave the interpreter as it was: `keep_interpreter`.
pub(crate) fn checked(
    request: VmExecRequest,
    events: bool,
    keep_interpreter: bool,
    mut found: Vec<String>,
) -> Result<(ExecRequest, Form), ApiError> {
    found.extend(request.problems());
    let output_limit_bytes = request
        .output_limit_bytes
        .unwrap_or(limits::DEFAULT_OUTPUT_LIMIT_BYTES);
    if !events && output_limit_bytes > limits::MAX_JSON_OUTPUT_LIMIT_BYTES {
        found.push(format!(
            "output_limit_bytes is at most {} for a JSON answer; ask for text/event-stream",
            limits::MAX_JSON_OUTPUT_LIMIT_BYTES
        ));
    }
    let stdin = match (request.stdin, request.stdin_base64) {
        (Some(text), _) => Some(Bytes::from(text)),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Some(Bytes::from(bytes)),
            Err(error) => {
                found.push(format!("stdin_base64 is not base64: {error}"));
                None
            }
        },
        (None, None) => None,
    };
    if !found.is_empty() {
        return Err(ApiError::invalid(&found));
    }
    let program = if let (Some(language), Some(code)) = (request.language, request.code) {
        ExecProgram::Code {
            language: convert::to_language(language),
            code,
            keep_interpreter,
        }
    } else if let Some(command) = request.command {
        ExecProgram::Shell(command)
    } else if let Some(argv) = request.argv {
        if request.use_entrypoint {
            ExecProgram::Image(argv)
        } else {
            ExecProgram::Argv(argv)
        }
    } else {
        ExecProgram::Image(Vec::new())
    };
    let timeout_ms = request.timeout_ms.unwrap_or(limits::DEFAULT_TIMEOUT_MS);
    let exec = ExecRequest {
        program,
        env: request.env.into_iter().collect(),
        cwd: request.cwd,
        user: request.user,
        stdin: stdin.is_some(),
        timeout: Some(Duration::from_millis(timeout_ms)),
        output_limit_bytes,
        pty: None,
    };
    let form = Form {
        stdin,
        encoding: request.encoding,
        events,
    };
    Ok((exec, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(json: &str) -> ExecProgram {
        let request = serde_json::from_str(json).unwrap();
        checked(request, false, false, Vec::new())
            .unwrap()
            .0
            .program
    }

    #[test]
    fn without_a_program_the_image_says_what_runs() {
        assert_eq!(program("{}"), ExecProgram::Image(Vec::new()));
        assert_eq!(
            program(r#"{"argv":["a"],"use_entrypoint":true}"#),
            ExecProgram::Image(vec!["a".to_owned()])
        );
        assert_eq!(
            program(r#"{"argv":["a"]}"#),
            ExecProgram::Argv(vec!["a".to_owned()])
        );
        assert_eq!(
            program(r#"{"command":"a"}"#),
            ExecProgram::Shell("a".to_owned())
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let request = serde_json::from_str(
            r#"{"argv":[],"command":"a","code":"b","cwd":"x","timeout_ms":0,"env":{"A=":""},
                "output_limit_bytes":100000000,"stdin_base64":"?"}"#,
        )
        .unwrap();
        let error = checked(request, false, false, vec!["first".to_owned()]).unwrap_err();
        let message = error.body().error.message;
        for part in [
            "first",
            "at most one of",
            "belong together",
            "no program",
            "absolute",
            "timeout_ms",
            "env",
            "event-stream",
            "base64",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
