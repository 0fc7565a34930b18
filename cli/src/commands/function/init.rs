//! `thaw fn init`: a folder to start from. The files are the examples of docs/examples, which the tests deploy.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::arguments::{Init, Kind};
use crate::{exit::Exit, output};

/// A file of a starter: its name, its text, and whether it can be run.
type Starter = (&'static str, &'static str, bool);

const PYTHON: [Starter; 1] = [(
    "app.py",
    include_str!("../../../../docs/examples/functions/python/app.py"),
    false,
)];
const NODE: [Starter; 1] = [(
    "app.js",
    include_str!("../../../../docs/examples/functions/node/app.js"),
    false,
)];
const COMMAND: [Starter; 1] = [(
    "run",
    include_str!("../../../../docs/examples/functions/command/run"),
    true,
)];
const LAMBDA: [Starter; 2] = [
    (
        "app.py",
        include_str!("../../../../docs/examples/functions/lambda/app.py"),
        false,
    ),
    (
        "requirements.txt",
        include_str!("../../../../docs/examples/functions/lambda/requirements.txt"),
        false,
    ),
];
const HTTP: [Starter; 1] = [(
    "server.py",
    include_str!("../../../../docs/examples/functions/http/server.py"),
    false,
)];

pub(super) fn run(init: &Init) -> Result<Exit> {
    let (name, files, how): (_, &[Starter], _) = match init.kind {
        Kind::Python => ("python", &PYTHON, "--image python --handler app.handle"),
        Kind::Node => (
            "node",
            &NODE,
            "--image IMAGE_WITH_NODE --handler app.handle",
        ),
        Kind::Command => ("command", &COMMAND, "--image python -- ./run"),
        Kind::Lambda => (
            "lambda",
            &LAMBDA,
            "--image python --kind lambda -- python3 -m awslambdaric app.handle",
        ),
        Kind::Http => (
            "http",
            &HTTP,
            "--image python --port 8080 -- python3 server.py",
        ),
    };
    let folder = init.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    write(&folder, files)?;
    let shown = folder.display();
    if init.kind == Kind::Lambda {
        output::line(&format!(
            "pip install --target {shown} -r {shown}/requirements.txt"
        ))?;
    }
    // What follows `--` comes last.
    let (options, command) = how.split_once(" -- ").unwrap_or((how, ""));
    let command = if command.is_empty() {
        String::new()
    } else {
        format!(" -- {command}")
    };
    output::line(&format!(
        "thaw fn deploy NAME {options} --code {shown}{command}"
    ))?;
    Ok(Exit::SUCCESS)
}

fn write(folder: &Path, files: &[Starter]) -> Result<()> {
    let made = || format!("making {}", folder.display());
    fs::create_dir_all(folder).with_context(made)?;
    if fs::read_dir(folder).with_context(made)?.next().is_some() {
        bail!("{} is not empty; name another folder", folder.display());
    }
    for (name, text, executable) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        if *executable {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
