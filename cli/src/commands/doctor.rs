//! `thaw doctor`

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use thaw_api_types::{EnsureTemplateRequest, ExecRequest, Language, client::Client};
use thaw_runner::node::{
    MemoryMode, StorageError,
    image::{self, ImageStore},
    probe,
    vmm::{self, GuestKernel},
};

use crate::{
    arguments::{Doctor, Memory, Storage},
    daemon,
    exit::Exit,
    inside::inside,
    output::{self, Progress},
    server::connect,
};

/// What images and templates of the default kind need.
const ROOM_BYTES: u64 = 2 << 30;

/// What the smoke test runs in.
const IMAGE: &str = "python";

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works without, or works less well.
    Note,
    /// VMs can't run.
    Missing,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    what: &'static str,
    state: State,
    finding: String,
}

/// Exits with 1 when something is missing that VMs can't run without.
pub(super) async fn run(doctor: Doctor) -> Result<Exit> {
    let mut checks = look(&doctor.storage).await;
    if doctor.smoke && healthy(&checks) {
        let smoke = Box::pin(smoke(&doctor)).await;
        checks.push(match smoke {
            Ok(found) => check("smoke test", State::Ok, found),
            Err(error) => check("smoke test", State::Missing, format!("{error:#}")),
        });
    }
    if doctor.connection.json {
        output::json(&checks)?;
    } else {
        show(&checks)?;
    }
    Ok(if healthy(&checks) {
        Exit::SUCCESS
    } else {
        Exit::FAILURE
    })
}

/// Whether VMs can run.
pub(super) fn healthy(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.state != State::Missing)
}

/// Prints the findings as a table.
pub(super) fn show(checks: &[Check]) -> Result<()> {
    let rows: Vec<_> = checks.iter().map(row).collect();
    output::table(&["", "CHECK", "FINDING"], &rows)
}

fn check(what: &'static str, state: State, finding: impl Into<String>) -> Check {
    Check {
        what,
        state,
        finding: finding.into(),
    }
}

fn row(check: &Check) -> Vec<String> {
    let mark = match check.state {
        State::Ok => "ok",
        State::Note => "note",
        State::Missing => "MISSING",
    };
    vec![
        mark.to_owned(),
        check.what.to_owned(),
        check.finding.clone(),
    ]
}

/// Looks at everything that VMs need.
pub(super) async fn look(storage: &Storage) -> Vec<Check> {
    let mut checks = tools();
    match daemon::kernel(storage) {
        Ok(kernel) => {
            let release = format!("{} with its modules", kernel.release());
            checks.push(check("guest kernel", State::Ok, release));
            checks.push(engine(storage, &kernel).await);
        }
        Err(error) => checks.push(check("guest kernel", State::Missing, format!("{error:#}"))),
    }
    checks.push(users());
    checks.push(vsock());
    checks.extend(memory(storage));
    checks.push(room(storage));
    checks
}

fn tools() -> Vec<Check> {
    let vmm = vmm::check_tools().into_iter().map(|tool| {
        let mend = format!(
            "{} (for {}); apt-get install {}",
            tool.tool, tool.needed_for, tool.package
        );
        check("program", State::Missing, mend)
    });
    let image = image::check_tools().into_iter().map(|tool| {
        let finding = format!("{} (for {}); {}", tool.tool, tool.needed_for, tool.mend);
        check("program", State::Missing, finding)
    });
    let missing: Vec<_> = vmm.chain(image).collect();
    if missing.is_empty() {
        return vec![check("programs", State::Ok, "all are there")];
    }
    missing
}

async fn engine(storage: &Storage, kernel: &GuestKernel) -> Check {
    let version = match vmm::Qemu::version().await {
        Ok(version) => version,
        Err(error) => {
            return check(
                "engine",
                State::Missing,
                format!("{:#}", anyhow::Error::from(error)),
            );
        }
    };
    let choice = daemon::accelerator(storage.place.accel, kernel).await;
    match choice.accelerator {
        vmm::Accelerator::Kvm => check(
            "engine",
            State::Ok,
            format!("qemu {version}, kvm: {}", choice.reason),
        ),
        vmm::Accelerator::Tcg => check(
            "engine",
            State::Note,
            format!(
                "qemu {version}, tcg: {}; for development and trusted code, emulation is no security boundary",
                choice.reason
            ),
        ),
    }
}

fn users() -> Check {
    if nix::unistd::geteuid().is_root() {
        check("isolation", State::Ok, "every VMM gets a user of its own")
    } else {
        let finding = "not root: every VMM runs as this user; run the daemon as root to part them";
        check("isolation", State::Note, finding)
    }
}

fn vsock() -> Check {
    if Path::new("/dev/vhost-vsock").exists() {
        check("guest connection", State::Ok, "vhost-vsock")
    } else {
        let finding = "virtio-serial; no /dev/vhost-vsock here, so vsock is not exercised (modprobe vhost_vsock)";
        check("guest connection", State::Note, finding)
    }
}

/// How clones get their memory, and what of the host's abilities is lacking for it.
fn memory(storage: &Storage) -> Vec<Check> {
    let found = probe();
    let mut checks = vec![match daemon::memory(storage) {
        Ok(setup) => {
            let choice = setup.choice;
            let as_wished = choice.mode == MemoryMode::Uffd || storage.place.memory == Memory::File;
            let state = if as_wished { State::Ok } else { State::Note };
            let finding = format!("{}: {}", choice.mode, choice.reason);
            check("template memory", state, finding)
        }
        Err(error) => check("template memory", State::Missing, format!("{error:#}")),
    }];
    for (what, ability) in [
        ("dirty pages", found.pagemap_scan),
        ("snapshots", found.trace_others),
    ] {
        let state = if ability.possible {
            State::Ok
        } else {
            State::Note
        };
        checks.push(check(what, state, ability.reason));
    }
    checks
}

fn room(storage: &Storage) -> Check {
    let found = daemon::root(storage).and_then(|root| {
        let stat = statvfs(&root).with_context(|| format!("looking at {}", root.display()))?;
        let free = stat.blocks_available() * stat.fragment_size();
        Ok((root, free))
    });
    match found {
        Ok((root, free)) => {
            let finding = format!("{} free in {}", output::bytes(free), root.display());
            if free >= ROOM_BYTES {
                return check("storage", State::Ok, finding);
            }
            let mend = format!(
                "{finding}; an image and its template may take {}: free space (thaw template rm, thaw image rm), or choose another --storage",
                output::bytes(ROOM_BYTES)
            );
            check("storage", State::Note, mend)
        }
        Err(error) => check("storage", State::Missing, format!("{error:#}")),
    }
}

/// Goes through a daemon from end to end, then hashes the image that it used. The daemon is the one that serves the
/// storage root, else one inside this process.
async fn smoke(doctor: &Doctor) -> Result<String> {
    let alone = inside(&doctor.storage, |client| async move {
        go_through(&client).await
    });
    let went = match alone.await {
        Err(error) if is_taken(&error) => {
            let through = go_through(&connect(&doctor.connection)?).await;
            let who = "asking the daemon that serves the storage root (--server says where it is)";
            format!("{}, through the daemon that runs", through.context(who)?)
        }
        went => went?,
    };
    let images = daemon::root(&doctor.storage)?.join("images");
    let checked = tokio::task::spawn_blocking(move || {
        let image = ImageStore::look_up(&images, &IMAGE.parse()?)?.context("the image is gone")?;
        image.verify()?;
        anyhow::Ok(image.digest)
    });
    Ok(format!("{went}; image {} is whole", checked.await??))
}

fn is_taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StorageError::Taken(_)))
}

async fn go_through(client: &Client) -> Result<String> {
    let wanted = EnsureTemplateRequest {
        image: IMAGE.to_owned(),
        ..EnsureTemplateRequest::default()
    };
    let mut progress = Progress::start();
    let work = client.ensure_template(&wanted).await?;
    let template = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    let exec = ExecRequest {
        image: Some(IMAGE.to_owned()),
        argv: Some(["python3", "-c", "print(6*7)"].map(str::to_owned).into()),
        ..ExecRequest::default()
    };
    let code = ExecRequest {
        image: Some(IMAGE.to_owned()),
        language: Some(Language::Python),
        code: Some("print(6*7)".to_owned()),
        ..ExecRequest::default()
    };
    let mut took = Vec::new();
    for request in [exec, code] {
        let answer = client.exec(&request).await?;
        ensure!(
            answer.exit.exit_code == Some(0) && answer.stdout == "42\n",
            "a program answered {:?} and {:?} instead of 42",
            answer.stdout,
            answer.stderr
        );
        took.push(Duration::from_micros(answer.exit.timings_us.total));
    }
    Ok(format!(
        "template {}: an exec in {:.0?}, a code run in {:.0?}",
        template.id, took[0], took[1]
    ))
}
