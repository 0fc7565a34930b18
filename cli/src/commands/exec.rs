//! `thaw exec`

use anyhow::Result;
use thaw_api_types::{Encoding, VmExecRequest};

use super::{
    pairs::environment,
    program::{follow, stdin_base64, timeout_ms},
};
use crate::{arguments::Exec, exit::Exit, output, server::connect};

pub(super) async fn run(exec: Exec) -> Result<Exit> {
    let client = connect(&exec.connection)?;
    let mut request = VmExecRequest {
        argv: Some(exec.argv),
        env: environment(&exec.how.env)?,
        cwd: exec.how.workdir.clone(),
        user: exec.how.user.clone(),
        timeout_ms: timeout_ms(&exec.how)?,
        output_limit_bytes: exec.how.output_limit,
        stdin_base64: stdin_base64(&exec.how)?,
        ..VmExecRequest::default()
    };
    if exec.connection.json {
        let answer = client.vm_exec(&exec.vm, &request).await?;
        output::json(&answer)?;
        return Ok(Exit::of(&answer.exit));
    }
    request.encoding = Encoding::Base64;
    let stream = client.vm_exec_stream(&exec.vm, &request).await?;
    follow(stream, exec.how.timings).await
}
