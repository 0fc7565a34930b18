//! From what a caller asks for to what the agent is told.

use std::time::Duration;

use thaw_image::ImageConfig;
use thaw_vmm::protocol::{CodeRun, Exec, MAX_FRAME_BYTES, Opening, Program, Request, Wake};

use crate::{ExecError, ExecProgram, ExecRequest};

/// Where programs are found when neither the image nor the caller says: as Docker has it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Room in the first frame for the wake data and the JSON around everything.
const OVERHEAD_BYTES: usize = 4096;

/// Builds the agent's request; what the caller leaves open comes from the image.
///
/// # Errors
/// [`ExecError::BadRequest`].
pub(crate) fn agent_request(
    config: &ImageConfig,
    request: ExecRequest,
) -> Result<Request, ExecError> {
    let timeout_ms = request.timeout.map(whole_ms);
    let cwd = request.cwd.or_else(|| config.workdir.clone());
    check_text(cwd.iter().chain(&request.user))?;
    check_text(request.env.iter().flat_map(|(key, value)| [key, value]))?;
    let program = match request.program {
        ExecProgram::Code {
            language,
            code,
            keep_interpreter,
        } => {
            return Ok(Request::Code(CodeRun {
                language,
                code,
                // The interpreter was started with the image's.
                env: request.env,
                cwd,
                stdin: request.stdin,
                timeout_ms,
                output_limit_bytes: request.output_limit_bytes,
                keep_interpreter,
            }));
        }
        ExecProgram::Argv(argv) => Program::Argv(argv),
        ExecProgram::Shell(line) => Program::Shell(line),
        ExecProgram::Image(arguments) => Program::Argv(image_argv(config, arguments)?),
    };
    match &program {
        Program::Argv(argv) => {
            if argv.first().is_none_or(String::is_empty) {
                return Err(ExecError::BadRequest("argv is empty; name a program"));
            }
            check_text(argv)?;
        }
        Program::Shell(line) => check_text([line])?,
    }
    Ok(Request::Exec(Exec {
        program,
        env: environment(config, request.env),
        cwd,
        user: request
            .user
            .or_else(|| config.user.clone())
            .filter(|user| !user.is_empty()),
        stdin: request.stdin,
        timeout_ms,
        output_limit_bytes: request.output_limit_bytes,
        pty: request.pty,
    }))
}

/// Puts the first frame together.
///
/// # Errors
/// [`ExecError::BadRequest`] when the request is larger than a frame can be.
pub(crate) fn opening(request: Request, wake: Option<Wake>) -> Result<(Opening, usize), ExecError> {
    let size = serde_json::to_vec(&request).map_or(usize::MAX, |json| json.len());
    if size > MAX_FRAME_BYTES - OVERHEAD_BYTES {
        return Err(ExecError::BadRequest(
            "code, arguments and environment are larger than 1 MiB together; send data through stdin",
        ));
    }
    Ok((Opening { wake, request }, size))
}

/// `K=V` into key and value; what has no `=` is a key without a value.
pub(crate) fn split_env(env: &[String]) -> Vec<(String, String)> {
    env.iter()
        .map(|entry| entry.split_once('=').unwrap_or((entry, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn image_argv(config: &ImageConfig, arguments: Vec<String>) -> Result<Vec<String>, ExecError> {
    let mut argv = config.entrypoint.clone();
    if arguments.is_empty() {
        argv.extend(config.cmd.iter().cloned());
    } else {
        argv.extend(arguments);
    }
    if argv.is_empty() {
        return Err(ExecError::BadRequest(
            "the image has neither ENTRYPOINT nor CMD; name a program",
        ));
    }
    Ok(argv)
}

fn environment(config: &ImageConfig, added: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut env = split_env(&config.env);
    if !env.iter().chain(&added).any(|(key, _)| key == "PATH") {
        env.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
    }
    env.extend(added);
    env
}

/// Unix has no way to pass these on.
fn check_text<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), ExecError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(ExecError::BadRequest(
            "arguments, environment, user and directory must not contain NUL characters",
        ));
    }
    Ok(())
}

/// Rounded up, so that a limit never becomes none.
fn whole_ms(time: Duration) -> u64 {
    let ms = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(ms).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use thaw_vmm::protocol::Language;

    use super::*;

    fn config() -> ImageConfig {
        ImageConfig {
            env: vec!["A=1".into(), "B=2".into()],
            workdir: Some("/srv".into()),
            user: Some("app".into()),
            entrypoint: vec!["/entry".into()],
            cmd: vec!["default".into()],
        }
    }

    fn request(program: ExecProgram) -> ExecRequest {
        ExecRequest {
            program,
            env: vec![("B".into(), "3".into())],
            cwd: None,
            user: None,
            stdin: false,
            timeout: Some(Duration::from_micros(1)),
            output_limit_bytes: 10,
            pty: None,
        }
    }

    fn exec(config: &ImageConfig, program: ExecProgram) -> Result<Exec, ExecError> {
        match agent_request(config, request(program))? {
            Request::Exec(exec) => Ok(exec),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_caller_leaves_open_comes_from_the_image() {
        let exec = exec(&config(), ExecProgram::Argv(vec!["ls".into()])).unwrap();
        let pairs: Vec<_> = exec
            .env
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("A", "1"), ("B", "2"), ("PATH", DEFAULT_PATH), ("B", "3")]
        );
        assert_eq!(
            (exec.cwd.as_deref(), exec.user.as_deref()),
            (Some("/srv"), Some("app"))
        );
        assert_eq!(exec.timeout_ms, Some(1));
    }

    #[test]
    fn the_images_program_takes_arguments_in_place_of_its_cmd() {
        let argv = |config: &ImageConfig, arguments: &[&str]| {
            let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
            exec(config, ExecProgram::Image(arguments)).map(|exec| exec.program)
        };
        let words =
            |words: &[&str]| Program::Argv(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(argv(&config(), &[]).unwrap(), words(&["/entry", "default"]));
        assert_eq!(argv(&config(), &["x"]).unwrap(), words(&["/entry", "x"]));
        let nothing = ImageConfig::default();
        assert!(matches!(argv(&nothing, &[]), Err(ExecError::BadRequest(_))));
        assert_eq!(argv(&nothing, &["sh"]).unwrap(), words(&["sh"]));
    }

    #[test]
    fn an_empty_argv_and_nul_characters_are_refused() {
        for argv in [vec![], vec![String::new()], vec!["a\0b".to_owned()]] {
            let refused = exec(&config(), ExecProgram::Argv(argv));
            assert!(matches!(refused, Err(ExecError::BadRequest(_))));
        }
    }

    #[test]
    fn a_request_that_no_frame_can_hold_is_refused_before_it_is_sent() {
        let code = ExecProgram::Code {
            language: Language::Python,
            code: "#".repeat(MAX_FRAME_BYTES),
            keep_interpreter: false,
        };
        let request = agent_request(&config(), request(code)).unwrap();
        let refused = opening(request, None);
        assert!(matches!(refused, Err(ExecError::BadRequest(_))));
    }
}
