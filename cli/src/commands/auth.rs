//! `thaw auth`: works on the storage root itself, so whoever owns that needs no key.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use thaw_api::auth::{ApiDb, ApiKey, BandsoxAuth, KeyError, NewKey, StoredPassword};
use thaw_api_types::{Scope, client::DEFAULT_SERVER};

use crate::{
    auth_arguments::{Auth, FirstKey, Place},
    credentials::Credentials,
    daemon::root_at,
    exit::Exit,
    output, password,
};

/// An `auth.json` is a few kilobytes; more than this is something else.
const MAX_IMPORT_BYTES: u64 = 16 << 20;

pub(super) fn run(auth: Auth) -> Result<Exit> {
    match auth {
        Auth::Init {
            password,
            key,
            place,
        } => init(password.password_stdin, &key, &place),
        Auth::SetPassword {
            password,
            save_key,
            server,
            place,
        } => set_password(password.password_stdin, save_key, server.as_deref(), &place),
        Auth::Import { file, place } => import(&file, &place),
        Auth::Disable { place } => disable(&place),
    }?;
    Ok(Exit::SUCCESS)
}

/// What `init` and `set-password` tell.
#[derive(Serialize)]
struct Set {
    auth_on: bool,
    /// The key, when it was not kept in the credentials file.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials_file: Option<PathBuf>,
}

fn init(from_stdin: bool, first: &FirstKey, place: &Place) -> Result<()> {
    let mut db = open(place)?;
    ensure!(
        !db.is_auth_on()?,
        "authentication is on already; `thaw auth set-password` sets another password"
    );
    let password = StoredPassword::new(&password::new_password(from_stdin)?)?;
    db.set_password(&password)?;
    audit(&mut db, "auth init", "")?;
    let (key, name) = admin_key(&mut db)?;
    let server = first.server.as_deref().unwrap_or(DEFAULT_SERVER);
    let question = format!("Keep an admin key for {server} in your credentials file?");
    let keeps =
        first.save_key || (!first.no_save_key && password::agrees(&question).unwrap_or(false));
    let set = handed_over(&key, name, keeps.then_some(server));
    tell("Authentication is on.", &set, place.json)
}

fn set_password(
    from_stdin: bool,
    save_key: bool,
    server: Option<&str>,
    place: &Place,
) -> Result<()> {
    let mut db = open(place)?;
    ensure!(
        db.is_auth_on()?,
        "authentication is off; `thaw auth init` turns it on"
    );
    let password = StoredPassword::new(&password::new_password(from_stdin)?)?;
    db.set_password(&password)?;
    audit(&mut db, "auth set-password", "")?;
    let mut set = Set {
        auth_on: true,
        key: None,
        key_name: None,
        credentials_file: None,
    };
    if save_key {
        let (key, name) = admin_key(&mut db)?;
        set = handed_over(&key, name, Some(server.unwrap_or(DEFAULT_SERVER)));
    }
    let text = "The password is set, and every session over.";
    tell(text, &set, place.json)
}

/// A key is kept where it was wanted; when that fails it is shown, because it is shown only once.
fn handed_over(key: &ApiKey, name: String, server: Option<&str>) -> Set {
    let kept = server.and_then(|server| match Credentials::keep(server, key.expose()) {
        Ok(path) => Some(path),
        Err(error) => {
            output::note(&format!("thaw: the key could not be kept: {error:#}"));
            None
        }
    });
    Set {
        auth_on: true,
        key: kept.is_none().then(|| key.expose().to_owned()),
        key_name: Some(name),
        credentials_file: kept,
    }
}

fn tell(text: &str, set: &Set, json: bool) -> Result<()> {
    if json {
        return output::json(set);
    }
    output::note(text);
    if let Some(path) = &set.credentials_file {
        output::note(&format!("An admin key is kept in {}.", path.display()));
    }
    if let Some(key) = &set.key {
        output::line(key)?;
        output::note(
            "This is an admin key; keep it now, it is not shown again. Commands take it from THAW_API_KEY.",
        );
    }
    Ok(())
}

/// What `import` tells.
#[derive(Serialize)]
struct Imported {
    auth_on: bool,
    password_imported: bool,
    keys_imported: usize,
    keys_known: usize,
}

fn import(file: &Path, place: &Place) -> Result<()> {
    let reading = || format!("reading {}", file.display());
    let size = std::fs::metadata(file).with_context(reading)?.len();
    ensure!(size <= MAX_IMPORT_BYTES, "{} is too large", file.display());
    let text = std::fs::read_to_string(file).with_context(reading)?;
    let old = BandsoxAuth::parse(&text).with_context(reading)?;
    let mut db = open(place)?;
    let was_on = db.is_auth_on()?;
    ensure!(
        was_on || old.password.is_some(),
        "{} holds no admin password; set one first: thaw auth init",
        file.display()
    );
    let mut told = Imported {
        auth_on: true,
        password_imported: false,
        keys_imported: 0,
        keys_known: 0,
    };
    // Keys first: they are asked for as soon as there is a password.
    for key in &old.keys {
        match db.import_key(key)? {
            true => told.keys_imported += 1,
            false => told.keys_known += 1,
        }
    }
    if let Some(password) = old.password
        && !was_on
    {
        db.set_password(&password)?;
        told.password_imported = true;
    }
    audit(
        &mut db,
        "auth import",
        &format!("{} keys", told.keys_imported),
    )?;
    if place.json {
        return output::json(&told);
    }
    let password = match told.password_imported {
        true => "The password was taken over, too.",
        false => "The password that is set stays.",
    };
    output::note(&format!(
        "Authentication is on. Keys taken over: {}; there already: {}. {password}",
        told.keys_imported, told.keys_known
    ));
    Ok(())
}

/// What `disable` tells.
#[derive(Serialize)]
struct Disabled {
    auth_on: bool,
    was_on: bool,
    keys_kept: usize,
}

fn disable(place: &Place) -> Result<()> {
    let mut db = open(place)?;
    let told = Disabled {
        auth_on: false,
        was_on: db.disable_auth()?,
        keys_kept: db.keys()?.len(),
    };
    audit(&mut db, "auth disable", "")?;
    if place.json {
        return output::json(&told);
    }
    output::note(&format!(
        "Authentication is off: on this machine everyone may do everything. Keys that stay for when it is on again: {}.",
        told.keys_kept
    ));
    Ok(())
}

fn open(place: &Place) -> Result<ApiDb> {
    Ok(ApiDb::open(&root_at(place.storage.as_deref())?)?)
}

/// An admin key with the first name that is free.
fn admin_key(db: &mut ApiDb) -> Result<(ApiKey, String)> {
    for number in 1..=1000 {
        let name = match number {
            1 => "admin".to_owned(),
            number => format!("admin ({number})"),
        };
        let new = NewKey {
            name: name.clone(),
            scopes: vec![Scope::Admin],
            expires_at: None,
        };
        match db.create_key(&new, now().as_secs()) {
            Ok((key, _)) => return Ok((key, name)),
            Err(KeyError::NameTaken(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("every name from admin to admin (1000) is taken; revoke keys with `thaw key revoke`")
}

fn audit(db: &mut ApiDb, action: &str, target: &str) -> Result<()> {
    let who = format!("uid {} on the command line", nix::unistd::getuid());
    let at_ms = u64::try_from(now().as_millis())?;
    Ok(db.audit_command(&who, action, target, at_ms)?)
}

fn now() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
