//! Authentication from the command line, on a daemon that runs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::support::{Daemon, PASSWORD, THAW, User, fails, ok, text};

#[test]
fn authentication_is_turned_on_used_and_turned_off_while_the_daemon_runs() {
    let mut daemon = Daemon::start();
    let key = {
        let user = User::of(&daemon);
        ok(&user.runs(&["image", "ls"]));
        fails(
            &user.given("short", &["auth", "init", "--password-stdin"]),
            "at least 8",
        );
        fails(
            &user.runs(&["auth", "set-password", "--password-stdin"]),
            "thaw auth init",
        );
        a_key_is_kept_and_used(&user);
        keys_have_scopes_and_are_revoked(&user)
    };
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    let user = User::of(&daemon);
    ok(&user.with_key(&key, &["image", "ls"]));
    bandsox_s_keys_are_taken_over(&user);

    let said = ok(&user.given(
        "another password",
        &[
            "auth",
            "set-password",
            "--password-stdin",
            "--save-key",
            "--json",
        ],
    ));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["key_name"], "admin (2)");
    assert_eq!(said.get("key"), None);
    ok(&user.runs(&["key", "ls"]));

    let said = ok(&user.runs(&["auth", "disable", "--json"]));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["was_on"], &said["auth_on"]),
        (&json!(true), &json!(false))
    );
    ok(&user.with_key("thaw_nonsense", &["image", "ls"]));
}

fn a_key_is_kept_and_used(user: &User<'_>) {
    let init = ["auth", "init", "--password-stdin", "--save-key"];
    let told = user.given(PASSWORD, &init);
    assert_eq!(ok(&told), "", "what is kept is not printed");
    let file = user.home().join("thaw/credentials");
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    ok(&user.runs(&["image", "ls"]));
    fails(&user.given(PASSWORD, &init), "on already");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fails(&user.runs(&["image", "ls"]), "chmod 600");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    let stranger = User::of(user.daemon);
    fails(&stranger.runs(&["image", "ls"]), "THAW_API_KEY");
    fails(
        &stranger.with_key("nonsense", &["image", "ls"]),
        "does not know",
    );
}

fn keys_have_scopes_and_are_revoked(user: &User<'_>) -> String {
    let create = |name: &str, scope: &str| {
        user.runs(&[
            "key",
            "create",
            name,
            "--scope",
            scope,
            "--expires",
            "30d",
            "--json",
        ])
    };
    let made: Value = serde_json::from_str(&ok(&create("viewer", "read"))).unwrap();
    let viewer = made["key"].as_str().unwrap();
    assert_eq!(made["scopes"], json!(["read"]));
    let lasts = made["expires_at"].as_u64().unwrap() - made["created_at"].as_u64().unwrap();
    assert_eq!(lasts, 30 * 86_400);
    fails(&create("viewer", "read"), "viewer");
    ok(&user.with_key(viewer, &["image", "ls"]));
    fails(&user.with_key(viewer, &["key", "ls"]), "the scope admin");
    let pool = ["pool", "set", "python", "--min", "0", "--max", "1"];
    fails(&user.with_key(viewer, &pool), "--scope manage");
    let listed = ok(&user.runs(&["key", "ls"]));
    assert!(
        listed.contains("viewer") && !listed.contains(viewer),
        "{listed}"
    );
    ok(&user.runs(&["key", "revoke", "viewer"]));
    fails(&user.with_key(viewer, &["image", "ls"]), "does not know");
    ok(&user.runs(&["key", "create", "ops", "--scope", "manage"]))
        .trim()
        .to_owned()
}

fn bandsox_s_keys_are_taken_over(user: &User<'_>) {
    // SHA-256 of `bsx_1`.
    let hash = "2a51c5f75bb8aed46238941e3c879c41aa9053759fe5f69a713bd1238e49f058";
    let file = user.home().join("auth.json");
    let old = json!({ "admin_password_hash": hash, "session_secret": "00", "api_keys": [
        { "id": "bsx_k_00000001", "name": "old", "key_hash": hash, "created_at": 1.0 },
    ]});
    fs::write(&file, old.to_string()).unwrap();
    let import = ["auth", "import", file.to_str().unwrap(), "--json"];
    let said: Value = serde_json::from_str(&ok(&user.runs(&import))).unwrap();
    assert_eq!(
        (&said["keys_imported"], &said["password_imported"]),
        (&json!(1), &json!(false))
    );
    ok(&user.with_key("bsx_1", &["key", "ls"]));
    fs::write(&file, "{}[").unwrap();
    fails(&user.runs(&import), "auth.json");
}

#[test]
fn a_daemon_that_others_can_reach_needs_authentication() {
    let daemon = Daemon::start();
    let user = User::of(&daemon);
    let elsewhere = tempfile::tempdir().unwrap();
    let serve = |storage: &Path| {
        let mut command = user.command(&["serve", "--listen", "0.0.0.0:0", "--accel", "tcg"]);
        command.arg("--storage").arg(storage);
        command
    };
    fails(&serve(elsewhere.path()).output().unwrap(), "thaw auth init");
    ok(&user.given(
        PASSWORD,
        &["auth", "init", "--password-stdin", "--no-save-key"],
    ));
    // It listens now, and gives up later: another daemon has this storage root.
    fails(&serve(daemon.storage()).output().unwrap(), "storage");
}

#[test]
fn a_daemon_that_others_can_reach_serves_without_authentication_when_told_to() {
    let mut daemon = Daemon::start();
    daemon.stop(Signal::SIGTERM);
    daemon.use_arguments(&["--listen", "0.0.0.0:0", "--insecure"]);
    daemon.start_again();
    let port = daemon.server().rsplit(':').next().unwrap();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    // By whatever address others reach it; names, which a stranger's page may have brought, have to be allowed.
    let request = "GET /v1/vms HTTP/1.0\r\nhost: 192.0.2.7:8000\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(answer.contains("\"vms\""), "{answer}");
}

/// A terminal with `thaw` on it, by util-linux's `script`.
#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let (storage, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let line = format!("{THAW} auth init --storage {}", storage.path().display());
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("XDG_CONFIG_HOME", home.path())
        .env_remove("THAW_SERVER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (
        terminal.stdin.take().unwrap(),
        terminal.stdout.take().unwrap(),
    );
    let mut shown = String::new();
    let mut wait_for = |what: &str| {
        while !shown.contains(what) {
            let mut bytes = [0; 256];
            let count = screen.read(&mut bytes).unwrap();
            assert!(count > 0, "the screen ended before {what:?}: {shown}");
            shown.push_str(&text(&bytes[..count]));
        }
        shown.clone()
    };
    for (question, answer) in [
        ("New admin password: ", PASSWORD),
        ("Once more: ", PASSWORD),
        ("[Y/n] ", "y"),
    ] {
        wait_for(question);
        write!(keys, "{answer}\r").unwrap();
        keys.flush().unwrap();
    }
    let shown = wait_for("An admin key is kept in");
    assert!(!shown.contains(PASSWORD), "{shown}");
    drop(keys);
    assert!(terminal.wait().unwrap().success());
    assert!(home.path().join("thaw/credentials").exists());
}
