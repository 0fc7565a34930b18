//! Functions that are frozen after their code was loaded.

use std::time::Duration;

use bytes::Bytes;
use thaw_pool_manager::{
    BakeError, BakeFunction, CodeStream, FunctionSpec, InvokeEvent, InvokeRequest, LeaseError,
    LeaseId, LeaseRequest, Node as _, NodeFunctions as _, StartKind, TemplateInfo,
    TemplateSelector,
    image::ProgressSink,
    vmm::{
        Shape,
        protocol::{ExitStatus, FunctionKind, HttpHooks, Invoked, Outcome},
    },
};

use crate::world::World;

/// What came of an event.
#[derive(Debug)]
struct Answered {
    result: Vec<u8>,
    log: String,
    invoked: Invoked,
}

fn command(argv: &[&str]) -> FunctionKind {
    FunctionKind::Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
    }
}

async fn bake(
    world: &World,
    kind: FunctionKind,
    script: &'static str,
) -> Result<TemplateInfo, LeaseError> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(script.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "run", script.as_bytes())
        .unwrap();
    let request = BakeFunction {
        image: "busybox".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
        spec: FunctionSpec {
            name: "f".to_owned(),
            kind,
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
            init_timeout: Duration::from_secs(20),
        },
        code_digest: script.to_owned(),
        code: CodeStream(Box::pin(std::io::Cursor::new(tar.into_inner().unwrap()))),
    };
    world
        .node
        .bake_function(request, &ProgressSink::none())
        .await
}

async fn lease(world: &World, template: &TemplateInfo) -> LeaseId {
    let request = LeaseRequest {
        template: TemplateSelector::Template(template.id.clone()),
        start_within: Duration::from_secs(60),
    };
    let lease = world.node.lease(request).await.unwrap();
    assert_ne!(lease.start, StartKind::Cold);
    lease.id
}

async fn invoke(world: &World, lease: &LeaseId, event: &[u8], timeout: Duration) -> Answered {
    let request = InvokeRequest {
        request_id: "r-1".to_owned(),
        version: "1".to_owned(),
        content_type: None,
        client_context: None,
        event: Bytes::copy_from_slice(event),
        more: false,
        pieces: false,
        reuse: true,
        timeout,
        log_limit_bytes: 1 << 16,
        result_limit_bytes: 1 << 20,
    };
    let mut handle = world.node.invoke(lease, request).await.unwrap();
    let (mut result, mut log) = (Vec::new(), Vec::new());
    while let Some(event) = handle.output.recv().await {
        match event.unwrap() {
            InvokeEvent::Stdout(bytes) | InvokeEvent::Stderr(bytes) => {
                log.extend_from_slice(&bytes);
            }
            InvokeEvent::Head(_) => {}
            InvokeEvent::Result(bytes) => result.extend_from_slice(&bytes),
            InvokeEvent::End { invoked, .. } => {
                return Answered {
                    result,
                    log: String::from_utf8(log).unwrap(),
                    invoked,
                };
            }
        }
    }
    panic!("the invocation ended without an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_functions_clones_begin_with_its_code_and_answer_its_events() {
    let world = World::new().await;
    let script = "#!/bin/sh\necho \"$GREETING $(cat) from $(hostname)\"; echo logged >&2\n\
        [ -z \"$(head -c 4 /proc/self/cwd/stop 2>/dev/null)\" ] || sleep 100\n";
    let template = bake(&world, command(&["./run"]), script).await.unwrap();
    let again = bake(&world, command(&["./run"]), script).await.unwrap();
    assert_eq!(template.id, again.id, "the same function is baked once");
    for _ in 0..2 {
        let clone = lease(&world, &template).await;
        // The second event is another exec in the same clone.
        for event in ["one", "two"] {
            let within = Duration::from_secs(30);
            let answered = invoke(&world, &clone, event.as_bytes(), within).await;
            assert_eq!(answered.invoked.outcome, Outcome::Returned, "{answered:?}");
            let expected = format!("hello {event} from {clone}\n");
            assert_eq!(String::from_utf8(answered.result).unwrap(), expected);
            assert_eq!(answered.log, "logged\n");
        }
        let event = vec![b'x'; 300_000];
        let answered = invoke(&world, &clone, &event, Duration::from_secs(30)).await;
        assert_eq!(
            answered.result.len(),
            event.len() + "hello  from \n".len() + clone.as_str().len()
        );
        world.node.release(&clone);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_too_long_or_ends_badly_says_so() {
    let world = World::new().await;
    let script = "#!/bin/sh\nread line\necho begun >&2\n\
        if [ \"$line\" = loop ]; then while :; do :; done; fi\nexit 3\n";
    let template = bake(&world, command(&["./run"]), script).await.unwrap();
    for (event, outcome) in [
        ("loop", Outcome::TimedOut),
        ("end", Outcome::Ended(ExitStatus::Exited(3))),
    ] {
        let clone = lease(&world, &template).await;
        let event = format!("{event}\n");
        let answered = invoke(&world, &clone, event.as_bytes(), Duration::from_secs(3)).await;
        assert_eq!(answered.invoked.outcome, outcome);
        assert_eq!(answered.log, "begun\n");
        world.node.release(&clone);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_cannot_be_initialised_fails_with_its_own_output_and_leaves_nothing() {
    let world = World::new().await;
    let failed = |error: LeaseError| match error {
        LeaseError::Bake(error) => match &*error {
            BakeError::Function { reason, output } => (reason.clone(), output.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let missing = bake(&world, command(&["./missing"]), "").await.unwrap_err();
    assert!(failed(missing).0.contains("./missing"));
    let kind = FunctionKind::Http {
        argv: vec!["./run".to_owned()],
        port: 8080,
        hooks: HttpHooks::default(),
    };
    let script = "#!/bin/sh\necho starting; echo \"cannot: $PORT\" >&2; exit 5\n";
    let (reason, output) = failed(bake(&world, kind, script).await.unwrap_err());
    assert!(reason.contains("exit code 5"), "{reason}");
    assert!(
        output.contains("starting") && output.contains("cannot: 8080"),
        "{output}"
    );
    assert!(world.node.templates().await.is_empty());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_frozen_while_it_listens_and_answers_after_the_thaw() {
    let world = World::new().await;
    let argv = [
        "/bin/busybox",
        "httpd",
        "-f",
        "-p",
        "127.0.0.1:8080",
        "-h",
        ".",
    ];
    let kind = FunctionKind::Http {
        argv: argv.map(str::to_owned).to_vec(),
        port: 8080,
        hooks: HttpHooks::default(),
    };
    let template = bake(&world, kind, "the file").await.unwrap();
    let clone = lease(&world, &template).await;
    for _ in 0..2 {
        let request = b"GET /run HTTP/1.0\r\n\r\n";
        let answered = invoke(&world, &clone, request, Duration::from_secs(30)).await;
        let text = String::from_utf8(answered.result).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200") && text.ends_with("the file"),
            "{text}"
        );
    }
    world.node.release(&clone);
    world.close().await;
}
