//! The QEMU engine with real guests: a tiny image, the real agent, the distribution's kernel.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod snapshots;
mod support;

use std::{collections::HashSet, time::Duration};

use support::{Lab, exec, run, run_opening, shell};
use thaw_lazymem::{Memory, PageServer, PageSource, Recording};
use thaw_vmm::{
    AdoptError, AdoptSpec, EndKind, Engine, ProcessMark, RestoreError, ShellMemory, StartError,
    VmmId,
    protocol::{ExitStatus, Opening, Request, Wake},
};

use tokio::{sync::oneshot, time::timeout};

const RESTORE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_booted_guest_freezes_and_its_clones_run_what_they_are_told() {
    let lab = Lab::new().await;
    let template = lab.bake().await;

    let shell = lab.shell(&template).await;
    let machine = shell
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    // The request is written before the guest runs again.
    let (input, output) = machine
        .guest()
        .run(&exec(&["echo", "thawed"]))
        .await
        .unwrap();
    machine.resume().await.unwrap();
    let ran = support::collect(input, output).await;
    assert_eq!(ran.stdout, "thawed\n");
    assert_eq!(ran.exit.status, ExitStatus::Exited(0));

    // Paused and resumed, it goes on where it was.
    machine.pause().await.unwrap();
    machine.resume().await.unwrap();
    let ran = run(&*machine, &["sh", "-c", "exit 7"]).await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(7));
    assert_eq!(machine.kill().await.kind, EndKind::Killed);
    lab.nothing_is_left().await;
}

async fn echo_in(machine: &dyn thaw_vmm::Machine) {
    machine.resume().await.unwrap();
    let ran = run(machine, &["sh", "-c", "echo $((6*7))"]).await;
    assert_eq!(ran.stdout, "42\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_runs_while_its_memory_is_filled_and_goes_on_when_it_is_whole() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let server = PageServer::start().unwrap();
    let memory = template.memory();
    let (sender, arrival) = oneshot::channel();
    let lazy = ShellMemory::Lazy {
        template: memory.clone(),
        arrival: sender,
    };
    let (shell, clone) = tokio::join!(lab.shell_with(&template, lazy), async {
        let pages = Memory::Shared(memory.clone());
        server
            .attach(arrival.await.unwrap(), pages, Recording::Off)
            .unwrap()
    });
    let machine = shell
        .unwrap()
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    echo_in(&*machine).await;
    assert!(clone.fault_count() > 0 && !memory.is_whole());
    clone.complete().unwrap();
    timeout(RESTORE, clone.independent())
        .await
        .unwrap()
        .unwrap();
    drop((clone, server));
    echo_in(&*machine).await;
    let _ = machine.kill().await;
    lab.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_whose_userfaultfd_nobody_wants_does_not_start() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let (arrival, nobody) = oneshot::channel();
    drop(nobody);
    let lazy = ShellMemory::Lazy {
        template: template.memory(),
        arrival,
    };
    let error = lab.shell_with(&template, lazy).await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Prepare {
                what: "page server",
                ..
            }
        ),
        "{error}"
    );
    lab.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_runs_on_a_private_mapping_of_the_templates_file() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let file = ShellMemory::File(template.source.clone());
    let machine = lab
        .shell_with(&template, file)
        .await
        .unwrap()
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    echo_in(&*machine).await;
    let _ = machine.kill().await;
    PageSource::verify(&*template.source).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_wakes_with_a_name_a_clock_and_random_numbers_of_its_own() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let mut seen = HashSet::new();
    for number in 0..2u8 {
        let shell = lab.shell(&template).await;
        let machine = shell
            .restore(template.device_state.clone(), RESTORE)
            .await
            .unwrap();
        machine.resume().await.unwrap();
        let wake = Wake {
            entropy: thaw_vmm::protocol::SecretBytes(vec![number; 64]),
            wall_clock_ns: 1_900_000_000_000_000_000,
            hostname: Some(format!("clone-{number}")),
            machine_id: Some(format!("{number:032x}")),
        };
        let script =
            "hostname; cat /etc/machine-id; date +%s; head -c 16 /dev/urandom | od -An -tx1";
        let opening = Opening {
            wake: Some(wake),
            ..shell_opening(script)
        };
        let ran = run_opening(&*machine, &opening).await;
        let mut lines = ran.stdout.lines();
        assert_eq!(lines.next().unwrap(), format!("clone-{number}"));
        assert_eq!(lines.next().unwrap(), format!("{number:032x}"));
        let seconds: u64 = lines.next().unwrap().parse().unwrap();
        assert!((1_900_000_000..1_900_000_060).contains(&seconds));
        assert!(
            seen.insert(lines.next().unwrap().to_owned()),
            "two clones drew the same bytes"
        );
        let _ = machine.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_goes_on_over_a_pause_on_the_same_connection() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let shell = lab.shell(&template).await;
    let machine = shell
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    machine.resume().await.unwrap();
    let count = "hostname; i=0; while :; do i=$((i+1)); echo $i; done";
    let (_input, mut output) = machine.guest().run(&shell_opening(count)).await.unwrap();
    let mut lines = support::Lines::of(&mut output);
    let name = lines.next().await;
    assert_eq!(lines.next().await, "1");
    for _ in 0..3 {
        support::call(&*machine, Request::Quiesce { handover: None }, None).await;
        machine.pause().await.unwrap();
        machine.resume().await.unwrap();
        let wake = Wake {
            entropy: thaw_vmm::protocol::SecretBytes(vec![7; 64]),
            wall_clock_ns: 1_900_000_000_000_000_000,
            hostname: None,
            machine_id: None,
        };
        support::call(&*machine, Request::Continue, Some(wake)).await;
        let ran = run(&*machine, &["sh", "-c", "hostname; date +%s"]).await;
        let said: Vec<_> = ran.stdout.lines().collect();
        assert_eq!(said[0], name);
        let seconds: u64 = said[1].parse().unwrap();
        assert!((1_900_000_000..1_900_000_060).contains(&seconds));
    }
    // Not a line is lost or comes twice.
    for number in 2..20_000 {
        assert_eq!(lines.next().await, number.to_string());
    }
    assert_eq!(machine.kill().await.kind, EndKind::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_device_state_is_refused_in_the_words_of_the_vmm() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let half = template
        .device_state
        .slice(..template.device_state.len() / 2);
    let shell = lab.shell(&template).await;
    let error = shell.restore(half, RESTORE).await.unwrap_err();
    assert!(
        matches!(error, RestoreError::Refused(_)),
        "a truncated state gave {error:?}"
    );
    lab.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vmm_that_is_killed_from_outside_is_noticed_at_once() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let shell = lab.shell(&template).await;
    let mut end = shell.end();
    support::kill_from_outside(shell.id());
    assert_eq!(end.wait().await.kind, EndKind::Signaled(9));

    let shell = lab.shell(&template).await;
    let machine = shell
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    machine.resume().await.unwrap();
    let (_input, mut output) = machine.guest().run(&exec(&["sleep", "60"])).await.unwrap();
    support::kill_from_outside(machine.id());
    assert!(output.next().await.is_err());
    assert_eq!(machine.end().wait().await.kind, EndKind::Signaled(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_kernel_panics_says_so() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let machine = lab
        .shell(&template)
        .await
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    machine.resume().await.unwrap();
    let mut end = machine.end();
    let crash = shell_opening("echo c > /proc/sysrq-trigger");
    let (_input, mut output) = machine.guest().run(&crash).await.unwrap();
    assert!(output.next().await.is_err());
    let end = end.wait().await;
    assert!(end.is_guest_panic(), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_daemon_left_behind_is_ended_and_what_is_kept_is_not() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let lost = lab.shell(&template).await;
    let kept = lab.shell(&template).await;
    let other = Lab::new().await;
    assert_eq!(
        other.engine.end_orphans(&[]).await.unwrap(),
        Vec::<VmmId>::new()
    );
    let ended = lab.engine.end_orphans(&[kept.id().clone()]).await.unwrap();
    assert_eq!(ended, [lost.id().clone()]);
    assert!(kept.end().now().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_outlives_its_daemon_is_adopted_as_it_was() {
    let lab = Lab::new().await;
    let template = lab.bake().await;
    let machine = lab
        .shell(&template)
        .await
        .restore(template.device_state.clone(), RESTORE)
        .await
        .unwrap();
    machine.resume().await.unwrap();
    let script = "sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/root/pid";
    let ran = run_opening(&*machine, &shell_opening(script)).await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(0));
    // An operation that is cut off in the middle must not be mixed up with those of the next daemon.
    let (_input, _output) = machine.guest().run(&exec(&["sleep", "60"])).await.unwrap();
    let (id, mark) = (machine.id().clone(), machine.mark().unwrap());
    let spec = || AdoptSpec {
        id: id.clone(),
        mark: mark.clone(),
        scratch: tempfile::tempfile().unwrap(),
    };
    machine.outlive();
    drop(machine);
    lab.engine.settled().await;

    let other = AdoptSpec {
        mark: ProcessMark {
            start_ticks: mark.start_ticks + 1,
            ..mark.clone()
        },
        ..spec()
    };
    let refused = lab.engine.adopt(other).await.unwrap_err();
    assert!(matches!(refused, AdoptError::Gone), "{refused}");

    let adopted = lab.engine.adopt(spec()).await.unwrap();
    assert!(adopted.running);
    let machine = adopted.machine;
    assert_eq!(machine.mark().unwrap(), mark);
    let lives = shell_opening("cat /proc/$(cat /root/pid)/comm");
    let ran = run_opening(&*machine, &lives).await;
    assert_eq!(ran.stdout, "sleep\n");

    // Paused, it is adopted paused, and what is asked of it waits until it runs.
    machine.pause().await.unwrap();
    drop(machine);
    lab.engine.settled().await;
    let adopted = lab.engine.adopt(spec()).await.unwrap();
    assert!(!adopted.running);
    let machine = adopted.machine;
    machine.resume().await.unwrap();
    let ran = run_opening(&*machine, &lives).await;
    assert_eq!(ran.stdout, "sleep\n");

    // The guest's last words are heard, though another process learns the exit status.
    let mut end = machine.end();
    let crash = shell_opening("echo c > /proc/sysrq-trigger");
    let (_input, mut output) = machine.guest().run(&crash).await.unwrap();
    assert!(output.next().await.is_err());
    let end = end.wait().await;
    assert_eq!(end.kind, EndKind::Unseen);
    assert!(end.is_guest_panic(), "{end}");
    drop(machine);
    lab.nothing_is_left().await;
}

fn shell_opening(script: &str) -> Opening {
    Opening {
        wake: None,
        request: Request::Exec(shell(script)),
    }
}
