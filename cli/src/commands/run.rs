//! `thaw run`

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use thaw_api_types::{
    Encoding, EnsureTemplateRequest, ErrorCode, ExecRequest, Language,
    client::{Client, ClientError},
};

use super::{
    pairs::environment,
    program::{follow, stdin_base64, timeout_ms},
};
use crate::{
    arguments::Run,
    exit::Exit,
    inside::inside,
    logging::{self, LogFormat},
    output::{self, Progress},
    server::connect,
};

pub(super) async fn run(run: Run) -> Result<Exit> {
    let request = request(&run)?;
    let client = connect(&run.connection)?;
    if run.connection.server.is_none()
        && let Err(ClientError::Connect { .. }) = client.health().await
    {
        return alone(&run, request).await;
    }
    through(&client, &run, request).await
}

/// Nobody serves: a daemon inside this process does, for as long as the program runs.
async fn alone(run: &Run, request: ExecRequest) -> Result<Exit> {
    logging::start(LogFormat::Text, "warn");
    let ran = inside(&run.storage, |client| async move {
        // What fails in here is told as it is; only the daemon's own failure needs a word more.
        Ok(through(&client, run, request).await)
    });
    ran.await
        .context("no daemon runs, and one could not be started")?
}

/// Makes sure of the template first, so that whoever waits for an image sees how far it is.
async fn through(client: &Client, run: &Run, mut request: ExecRequest) -> Result<Exit> {
    let wanted = EnsureTemplateRequest {
        image: run.image.clone(),
        vcpus: run.vcpus,
        memory_mib: run.memory,
    };
    let making = async {
        let mut progress = Progress::start();
        let work = client.ensure_template(&wanted).await?;
        work.finish(|event| progress.show(event)).await
    };
    tokio::select! {
        made = making => match made {
            // A key that may only run programs looks on while the server makes what is missing.
            Err(error) if error.code() == Some(ErrorCode::Forbidden) => {}
            made => drop(made?),
        },
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            return Ok(Exit::INTERRUPTED);
        }
    }
    if run.connection.json {
        let answer = client.exec(&request).await?;
        output::json(&answer)?;
        return Ok(Exit::of(&answer.exit));
    }
    request.encoding = Encoding::Base64;
    let stream = client.exec_stream(&request).await?;
    follow(stream, run.how.timings).await
}

fn request(run: &Run) -> Result<ExecRequest> {
    let mut request = ExecRequest {
        image: Some(run.image.clone()),
        vcpus: run.vcpus,
        memory_mib: run.memory,
        env: environment(&run.how.env)?,
        cwd: run.how.workdir.clone(),
        user: run.how.user.clone(),
        timeout_ms: timeout_ms(&run.how)?,
        output_limit_bytes: run.how.output_limit,
        ..ExecRequest::default()
    };
    if let Some([language, code]) = run.code.as_deref() {
        request.language = Some(match language.as_str() {
            "python" => Language::Python,
            other => bail!("there is no language {other:?}; there is: python"),
        });
        request.code = Some(if code == "-" {
            let mut source = String::new();
            std::io::stdin()
                .read_to_string(&mut source)
                .context("reading the code from standard input")?;
            source
        } else {
            code.clone()
        });
    } else if !run.argv.is_empty() {
        request.argv = Some(run.argv.clone());
        request.use_entrypoint = true;
    }
    request.stdin_base64 = stdin_base64(&run.how)?;
    Ok(request)
}
