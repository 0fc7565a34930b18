//! A daemon whose callers have keys: who may come in, and what each may have.

use thaw_api_types::{
    CreateVmRequest, ErrorCode, ExecSocketStart, TakeSnapshotRequest, VmExecRequest,
    client::{Client, ClientError, OpenTerminal},
};
use tokio::runtime::Runtime;

use super::support::{Daemon, User, ok};

fn code<T>(answer: Result<T, ClientError>) -> ErrorCode {
    let error = answer.err().expect("it was done");
    error.code().unwrap_or_else(|| panic!("{error}"))
}

fn machine(name: &str) -> CreateVmRequest {
    CreateVmRequest {
        image: Some("python".to_owned()),
        name: Some(name.to_owned()),
        ..CreateVmRequest::default()
    }
}

#[test]
fn callers_with_keys_have_what_is_theirs_and_strangers_nothing() {
    let daemon = Daemon::with_python(&["--max-vms-per-key", "1", "--max-snapshots-per-key", "1"]);
    let admin = User::of(&daemon);
    admin.turns_it_on();
    let keys = ["ada", "bob"].map(|name| admin.key_for(name, "manage"));
    let viewer = admin.key_for("eve", "read");
    let client = |key: Option<&str>| Client::new(daemon.server(), key).unwrap();
    let [ada, bob] = [&keys[0], &keys[1]].map(|key| client(Some(key)));
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        a_key_has_so_many_vms_and_snapshots_and_no_other_key_pays_for_it(&ada, &bob).await;
        nobody_gets_into_a_vm_without_the_right_to(&client(None), ErrorCode::Unauthorized).await;
        nobody_gets_into_a_vm_without_the_right_to(&client(Some(&viewer)), ErrorCode::Forbidden)
            .await;
    });
    the_commands_carry_the_key(&admin, &keys[0]);
    let runner = admin.key_for("zoe", "invoke");
    a_key_that_may_only_run_programs_runs_them(&admin, &runner);
}

async fn a_key_has_so_many_vms_and_snapshots_and_no_other_key_pays_for_it(
    ada: &Client,
    bob: &Client,
) {
    ada.create_vm(&machine("first")).await.unwrap();
    let second = ada.create_vm(&machine("second")).await;
    let said = second.as_ref().unwrap_err().to_string();
    assert!(said.contains("key") && said.contains('1'), "{said}");
    assert_eq!(code(second), ErrorCode::VmLimit);
    bob.create_vm(&machine("of bob")).await.unwrap();

    let named = |name: &str| TakeSnapshotRequest {
        name: name.to_owned(),
        metadata: None,
    };
    ada.take_snapshot("first", &named("kept")).await.unwrap();
    let more = ada.take_snapshot("first", &named("more")).await;
    assert_eq!(code(more), ErrorCode::SnapshotLimit);
    bob.take_snapshot("of bob", &named("of bob")).await.unwrap();
    // What is removed makes room.
    ada.delete_snapshot("kept").await.unwrap();
    ada.take_snapshot("first", &named("more")).await.unwrap();
}

async fn nobody_gets_into_a_vm_without_the_right_to(client: &Client, wanted: ErrorCode) {
    let request = VmExecRequest {
        command: Some("true".to_owned()),
        ..VmExecRequest::default()
    };
    assert_eq!(code(client.vm_exec("first", &request).await), wanted);
    let start = ExecSocketStart {
        exec: request,
        stdin: false,
        tty: None,
    };
    assert_eq!(code(client.exec_socket("first", &start).await), wanted);
    assert_eq!(
        code(client.terminal("first", &OpenTerminal::default()).await),
        wanted
    );
}

fn the_commands_carry_the_key(user: &User<'_>, key: &str) {
    let said = ok(&user.with_key(key, &["vm", "exec", "-t", "first", "--", "tty"]));
    assert!(said.starts_with("/dev/pts/"), "{said}");
    let said = ok(&user.with_key(key, &["vm", "exec", "first", "--", "echo", "in"]));
    assert_eq!(said, "in\n");
}

fn a_key_that_may_only_run_programs_runs_them(user: &User<'_>, key: &str) {
    let said = ok(&user.with_key(key, &["run", "python", "--", "echo", "in"]));
    assert_eq!(said, "in\n");
    // The scripts of packages run on the host: no program is worth that.
    let ran = user.with_key(key, &["run", "debian:bookworm+evil", "--", "true"]);
    assert_eq!(ran.status.code(), Some(125));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("thaw image add"), "{said}");
}
