//! The part of a bake that makes a function's template: code in place, initialised, warm.

use bytes::BytesMut;
use sha2::{Digest as _, Sha256};
use thaw_image::Image;
use thaw_vmm::{
    GuestConnection, GuestError, Output, RunInput, RunOutput, Shape,
    protocol::{CODE_FOLDER, Exit, ExitStatus, FunctionKind, LoadFunction, Opening, Request},
};
use tokio::io::AsyncReadExt as _;

use crate::{BakeError, CodeStream, FunctionSpec, exec_request::split_env};

/// The most that is kept of what an initialisation says, from its beginning, of each stream.
const OUTPUT_BYTES: u64 = 64 * 1024;

/// How much of the code is read at once.
const PIECE_BYTES: usize = 32 * 1024;

/// A function that is to be loaded before the freeze.
#[derive(Debug)]
pub(crate) struct FunctionPart {
    pub(crate) spec: FunctionSpec,
    pub(crate) code: CodeStream,
}

/// What tells a function's template from that of its image alone, and from those of other functions.
pub(crate) fn digest(spec: &FunctionSpec, code_digest: &str) -> Result<String, BakeError> {
    let spec = serde_json::to_vec(spec).map_err(|error| BakeError::Write(error.into()))?;
    let mut hash = Sha256::new();
    hash.update((spec.len() as u64).to_le_bytes());
    hash.update(&spec);
    hash.update(code_digest);
    Ok(hex::encode(hash.finalize()))
}

/// Loads the function into a machine that has just booted.
///
/// # Errors
/// [`BakeError::Function`] when it can't be initialised.
pub(crate) async fn load(
    guest: &GuestConnection,
    image: &Image,
    shape: Shape,
    part: FunctionPart,
) -> Result<(), BakeError> {
    let FunctionPart { spec, code } = part;
    let mut env = split_env(&image.config.env);
    env.extend(spec.env);
    let init_timeout = spec.init_timeout;
    let (kind, cwd) = start_of(spec.kind, image);
    let request = Request::LoadFunction(LoadFunction {
        kind,
        name: spec.name,
        memory_mib: shape.memory_mib,
        folder: CODE_FOLDER.to_owned(),
        cwd,
        env,
        user: image.config.user.clone().filter(|user| !user.is_empty()),
        timeout_ms: u64::try_from(init_timeout.as_millis()).unwrap_or(u64::MAX),
        output_limit_bytes: OUTPUT_BYTES,
    });
    let opening = Opening {
        wake: None,
        request,
    };
    let (input, output) = guest.run(&opening).await?;
    let sending = send(input, code);
    let mut listening = std::pin::pin!(listen(output));
    let ended = tokio::select! {
        biased;
        ended = &mut listening => ended,
        sent = sending => {
            // Kept until the end: dropping it would close the stream.
            let _input = sent?;
            listening.await
        }
    };
    let (exit, said) = ended.map_err(|error| match error {
        GuestError::Failed(failure) => BakeError::Function {
            reason: failure.message,
            output: String::new(),
        },
        error => BakeError::Prepare(error),
    })?;
    if exit.status == ExitStatus::Exited(0) {
        return Ok(());
    }
    Err(BakeError::Function {
        reason: reason(&exit, init_timeout),
        output: String::from_utf8_lossy(&said).trim_end().to_owned(),
    })
}

/// What is started, and where. A runtime that is not named is the image's own, where the image wants it.
fn start_of(kind: FunctionKind, image: &Image) -> (FunctionKind, Option<String>) {
    let config = &image.config;
    match kind {
        FunctionKind::Lambda { argv, handler } if argv.is_empty() => {
            // The handler takes the place of the image's command, as AWS's ImageConfig does.
            let rest = match &handler {
                Some(handler) => vec![handler.clone()],
                None => config.cmd.clone(),
            };
            let argv = [config.entrypoint.clone(), rest].concat();
            let cwd = config.workdir.clone().filter(|cwd| !cwd.is_empty());
            (FunctionKind::Lambda { argv, handler }, cwd)
        }
        kind => (kind, None),
    }
}

fn reason(exit: &Exit, init_timeout: std::time::Duration) -> String {
    match exit.status {
        _ if exit.timed_out => format!("it was not initialised within {init_timeout:?}"),
        ExitStatus::Exited(code) => format!("its initialisation failed (exit code {code})"),
        ExitStatus::Signaled(signal) => {
            format!("its process was ended by signal {signal}; out of memory, if it is 9")
        }
    }
}

async fn send(mut input: RunInput, mut code: CodeStream) -> Result<RunInput, BakeError> {
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    while code
        .0
        .read_buf(&mut piece)
        .await
        .map_err(BakeError::ReadCode)?
        > 0
    {
        input.stdin(&piece).await?;
        piece.clear();
    }
    input.end_stdin().await?;
    Ok(input)
}

async fn listen(mut output: RunOutput) -> Result<(Exit, BytesMut), GuestError> {
    let mut said = BytesMut::new();
    loop {
        match output.next().await? {
            Output::Exit(exit) => return Ok((exit, said)),
            Output::Stdout(bytes) | Output::Stderr(bytes) => {
                // The agent keeps to the limit; one that does not is not believed.
                if said.len() < 2 * OUTPUT_BYTES as usize {
                    said.extend_from_slice(&bytes);
                }
            }
        }
    }
}
