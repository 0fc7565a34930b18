//! From what the host asks for to what execve needs.

use std::ffi::CString;

use thaw_guest_protocol::{Exec, FailureKind, Program};

use super::user::{self, Account};
use crate::{failure::OperationError, process::Launch};

/// Where programs are looked for when the environment has no `PATH` (Debian's and Docker's default).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program, found as far as that is possible without starting it; descriptors are still to be added.
///
/// # Errors
/// Requests that make no sense, and users that do not exist.
pub(crate) fn resolve(exec: &Exec) -> Result<Launch, OperationError> {
    let account = exec.user.as_deref().map(user::look_up).transpose()?;
    let home = account.as_ref().map_or("/root", |a| a.home.as_str());
    let mut env = environment(&exec.env, home)?;
    if exec.pty.is_some() && value(&env, "TERM").is_none() {
        env.push(("TERM".into(), "xterm-256color".into()));
    }
    let argv: &[String] = match &exec.program {
        Program::Argv(argv) => argv,
        Program::Shell(line) => &["/bin/sh".into(), "-c".into(), line.clone()],
    };
    let name = argv.first().ok_or_else(|| bad("argv is empty"))?;
    Ok(Launch {
        candidates: candidates(name, value(&env, "PATH").unwrap_or(DEFAULT_PATH))?,
        argv: argv.iter().map(|a| c_string(a)).collect::<Result<_, _>>()?,
        envp: env
            .iter()
            .map(|(key, value)| c_string(&format!("{key}={value}")))
            .collect::<Result<_, _>>()?,
        cwd: c_string(exec.cwd.as_deref().unwrap_or("/"))?,
        ids: account.map(|Account { ids, .. }| ids),
        fds: Vec::new(),
        terminal: exec.pty.is_some(),
    })
}

/// The environment as the program sees it: a later entry wins, `PATH` and `HOME` are always there.
///
/// # Errors
/// Names that cannot be in an environment.
fn environment(
    asked: &[(String, String)],
    home: &str,
) -> Result<Vec<(String, String)>, OperationError> {
    let mut env: Vec<(String, String)> = Vec::with_capacity(asked.len() + 3);
    for (key, value) in asked {
        if key.is_empty() || key.contains('=') {
            return Err(bad(&format!("{key:?} cannot be the name of a variable")));
        }
        match env.iter_mut().find(|(k, _)| k == key) {
            Some(entry) => entry.1.clone_from(value),
            None => env.push((key.clone(), value.clone())),
        }
    }
    for (key, default) in [("PATH", DEFAULT_PATH), ("HOME", home)] {
        if value(&env, key).is_none() {
            env.push((key.into(), default.into()));
        }
    }
    Ok(env)
}

fn value<'a>(env: &'a [(String, String)], key: &str) -> Option<&'a str> {
    env.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

fn candidates(name: &str, path: &str) -> Result<Vec<CString>, OperationError> {
    if name.is_empty() || name.contains('/') {
        return Ok(vec![c_string(name)?]);
    }
    path.split(':')
        .map(|folder| match folder {
            "" => c_string(name),
            folder => c_string(&format!("{folder}/{name}")),
        })
        .collect()
}

fn c_string(text: &str) -> Result<CString, OperationError> {
    CString::new(text).map_err(|_| bad("a string of the request contains a NUL byte"))
}

fn bad(message: &str) -> OperationError {
    OperationError::refused(FailureKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(env: &[(&str, &str)]) -> Vec<(String, String)> {
        env.iter().map(|&(k, v)| (k.into(), v.into())).collect()
    }

    #[test]
    fn a_later_variable_wins_and_path_and_home_are_always_there() {
        let env = environment(&pairs(&[("A", "1"), ("B", "2"), ("A", "3")]), "/home/x").unwrap();
        assert_eq!(
            env,
            pairs(&[
                ("A", "3"),
                ("B", "2"),
                ("PATH", DEFAULT_PATH),
                ("HOME", "/home/x")
            ])
        );
    }

    #[test]
    fn a_name_without_a_slash_is_looked_for_in_every_folder_of_the_path() {
        let found = candidates("true", "/bin::/opt").unwrap();
        assert_eq!(
            found,
            [c"/bin/true", c"true", c"/opt/true"].map(CString::from)
        );
        assert_eq!(candidates("./x", "/bin").unwrap(), [CString::from(c"./x")]);
    }

    #[test]
    fn variables_without_a_proper_name_are_refused() {
        assert!(environment(&pairs(&[("A=B", "1")]), "/").is_err());
        assert!(environment(&pairs(&[("", "1")]), "/").is_err());
    }
}
