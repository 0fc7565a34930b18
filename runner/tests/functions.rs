//! Functions over a node on the fake engine: what is deployed stays, whoever gives up gives the clone back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tempfile::TempDir;
use thaw_runner::{
    Store,
    functions::{
        Answer, Deploy, DeployError, EventState, FunctionError, FunctionInfo, FunctionName,
        Functions, FunctionsConfig, FunctionsLimits, Invocation, InvokeError, LogQuery, Route,
        VersionSpec, Way,
    },
    node::{
        LocalNode, Node, NodeLimits, StartKind, add_fake_image, ensure_fake_image, fake_limits,
        fake_node_config,
        image::{ImageStore, ProgressSink},
        vmm::{
            FakeEngine, Shape,
            protocol::{ExitStatus, FunctionKind, Outcome},
        },
    },
};

struct World {
    functions: Functions,
    images: Arc<ImageStore>,
    node: Arc<dyn Node>,
    engine: FakeEngine,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(folder: TempDir) -> Self {
        Self::open_with(folder, fake_limits()).await
    }

    async fn open_with(folder: TempDir, limits: NodeLimits) -> Self {
        let engine = FakeEngine::default();
        let config = fake_node_config(folder.path(), &engine, limits).unwrap();
        ensure_fake_image(&config.images).await.unwrap();
        let images = Arc::clone(&config.images);
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        let store = Store::open(&folder.path().join("runner.db")).unwrap();
        let config = FunctionsConfig {
            folder: folder.path().join("functions"),
            limits: FunctionsLimits {
                running: 4,
                starting: 2,
                retry_pause: Duration::from_millis(5),
                events_bytes: 2 << 20,
                ..FunctionsLimits::default()
            },
        };
        Self {
            functions: Functions::open(Arc::clone(&node), store, config)
                .await
                .unwrap(),
            images,
            node,
            engine,
            folder,
        }
    }

    async fn deploy(&self, spec: VersionSpec, code: &str) -> Result<FunctionInfo, DeployError> {
        let deploy = Deploy {
            name: FunctionName::new("f").unwrap(),
            spec,
            code: Some(archive(code)),
        };
        self.functions.deploy(deploy, ProgressSink::none()).await
    }

    async fn invoke(&self, event: &str) -> Result<Answer, InvokeError> {
        self.functions.invoke(call(event, None)).await
    }

    async fn leased(&self) -> u32 {
        let pools = self.node.pools().await;
        pools.iter().map(|pool| pool.leased).sum()
    }

    /// Waits, within a bound, until something is so.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let looking = async {
            while !is_so().await {
                tokio::task::yield_now().await;
            }
        };
        let looked = tokio::time::timeout(Duration::from_secs(30), looking).await;
        assert!(looked.is_ok(), "{what}");
    }

    async fn close(self) -> TempDir {
        self.functions.shut_down().await;
        self.node.shut_down().await;
        assert_eq!(self.engine.live(), []);
        self.folder
    }
}

fn spec() -> VersionSpec {
    VersionSpec {
        image: "tiny".into(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
        kind: FunctionKind::Python {
            handler: "app.handle".into(),
        },
        env: Vec::new(),
        init_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        concurrency: 2,
        queue: 1,
        min_warm: 1,
        max_warm: 2,
        idle: Duration::from_secs(60),
        reuse: 1,
        network_wanted: false,
    }
}

fn call(event: &str, qualifier: Option<&str>) -> Invocation {
    Invocation {
        function: "f".into(),
        qualifier: qualifier.map(str::to_owned),
        key: String::new(),
        request_id: format!("id-{}", event.get(..20).unwrap_or(event)),
        content_type: Some("text/plain".into()),
        client_context: None,
        event: Bytes::copy_from_slice(event.as_bytes()),
        way: Way::Whole,
        start_within: Duration::from_secs(20),
    }
}

fn archive(text: &str) -> Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "app.py", text.as_bytes())
        .unwrap();
    tar.into_inner().unwrap().into()
}

#[tokio::test]
async fn an_answer_belongs_to_its_event_and_its_log_is_kept() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    for number in 0..20 {
        let event = format!("event {number}");
        let answer = world.invoke(&event).await.unwrap();
        assert_eq!(answer.outcome, Outcome::Returned);
        assert_eq!(answer.result, event.as_bytes());
        assert_eq!(answer.content_type.as_deref(), Some("text/plain"));
        // Each has a fresh clone.
        assert_eq!(answer.log, "served 1\n");
        assert_ne!(answer.start, StartKind::Cold);
    }
    let large = "x".repeat(1 << 20);
    assert_eq!(world.invoke(&large).await.unwrap().result.len(), 1 << 20);
    let query = LogQuery {
        request_id: Some("id-event 7".into()),
        limit: 9,
        ..LogQuery::default()
    };
    let logs = world.functions.logs("f", &query).unwrap();
    assert_eq!((logs.len(), logs[0].text.as_str()), (1, "served 1\n"));
    world.close().await;
}

#[tokio::test]
async fn what_goes_wrong_is_an_outcome_with_a_description_and_the_last_error() {
    let world = World::new().await;
    let spec = VersionSpec {
        timeout: Duration::from_millis(50),
        ..spec()
    };
    world.deploy(spec, "1").await.unwrap();
    let answer = world.invoke("end").await.unwrap();
    assert_eq!(answer.outcome, Outcome::Ended(ExitStatus::Exited(3)));
    let error: serde_json::Value = serde_json::from_slice(&answer.result).unwrap();
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let answer = world.invoke("sleep 5000").await.unwrap();
    assert_eq!(answer.outcome, Outcome::TimedOut);
    let text = String::from_utf8(answer.result.to_vec()).unwrap();
    assert!(text.contains("Task timed out after 0.05 seconds"), "{text}");
    assert!(matches!(
        world.invoke("crash").await,
        Err(InvokeError::Exec(_))
    ));
    let (id, message) = world.functions.find("f").unwrap().last_error.unwrap();
    assert_eq!(id, "id-crash");
    assert!(message.contains("ended"), "{message}");
    world.close().await;
}

#[tokio::test]
async fn a_deploy_that_fails_changes_nothing_and_leaves_nothing() {
    let world = World::new().await;
    let failing = VersionSpec {
        kind: FunctionKind::Python {
            handler: "app.fail".into(),
        },
        ..spec()
    };
    let failed = world.deploy(failing.clone(), "1").await.unwrap_err();
    let DeployError::Init { output, .. } = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(output, "it went wrong");
    assert!(matches!(
        world.functions.find("f"),
        Err(FunctionError::NotFound(_))
    ));
    world.deploy(spec(), "1").await.unwrap();
    assert!(world.deploy(failing, "2").await.is_err());
    let bad = VersionSpec {
        concurrency: 0,
        ..spec()
    };
    assert!(matches!(
        world.deploy(bad, "1").await,
        Err(DeployError::Bad(_))
    ));
    let info = world.functions.find("f").unwrap();
    assert_eq!((info.newest.number, info.versions), (1, 1));
    let code = world.folder.path().join("functions/code");
    assert_eq!(std::fs::read_dir(code).unwrap().count(), 1);
    assert_eq!(world.node.templates().await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn versions_and_aliases_outlive_the_daemon_and_are_removed_with_what_they_used() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    // What is deployed already is not deployed again.
    assert_eq!(world.deploy(spec(), "1").await.unwrap().newest.number, 1);
    world.deploy(spec(), "2").await.unwrap();
    let route = Route {
        version: 1,
        weight: 1.0,
    };
    world
        .functions
        .put_alias("f", "live", vec![route])
        .await
        .unwrap();
    let world = World::open(world.close().await).await;
    let answer = world.functions.invoke(call("x", Some("live"))).await;
    assert_eq!(answer.unwrap().version, 1);
    assert_eq!(world.invoke("x").await.unwrap().version, 2);
    let missing = world.functions.invoke(call("x", Some("3"))).await;
    assert!(matches!(
        missing,
        Err(InvokeError::Function(FunctionError::NoVersion { .. }))
    ));
    let in_use = world.functions.remove_version("f", 1).await;
    assert!(matches!(in_use, Err(FunctionError::InUse { .. })));
    world.functions.remove_alias("f", "live").await.unwrap();
    world.functions.remove_version("f", 1).await.unwrap();
    let one_left = async || world.node.templates().await.len() == 1;
    world
        .until("the template of version 1 goes", one_left)
        .await;
    // Numbers are not used twice.
    assert_eq!(world.deploy(spec(), "3").await.unwrap().newest.number, 3);
    world.functions.remove("f").await.unwrap();
    let none_left = async || world.node.templates().await.is_empty();
    world.until("all templates go", none_left).await;
    let code = world.folder.path().join("functions/code");
    let no_code = async || std::fs::read_dir(&code).unwrap().count() == 0;
    world.until("all code goes", no_code).await;
    world.close().await;
}

#[tokio::test]
async fn a_version_that_is_not_live_takes_nothing_from_a_live_one_with_the_same_template() {
    let world = World::new().await;
    let other = VersionSpec {
        timeout: Duration::from_secs(5),
        max_warm: 1,
        ..spec()
    };
    let first = world.deploy(spec(), "1").await.unwrap().newest;
    let route = Route {
        version: first.number,
        weight: 1.0,
    };
    let led = world.functions.put_alias("f", "live", vec![route]).await;
    led.unwrap();
    let second = world.deploy(other, "1").await.unwrap().newest;
    assert_eq!(first.template(), second.template());
    // The second one is neither the newest now, nor does an alias lead to it.
    world.deploy(spec(), "2").await.unwrap();
    let bounds = async || {
        let pools = world.node.pools().await;
        let pool = pools.iter().find(|pool| pool.template == first.template());
        let settings = pool.unwrap().settings;
        (settings.min, settings.max)
    };
    assert_eq!(bounds().await, (1, 2));
    world.functions.remove_alias("f", "live").await.unwrap();
    assert_eq!(bounds().await, (0, 2));
    world.functions.remove_version("f", 1).await.unwrap();
    assert_eq!(bounds().await, (0, 1));
    world.close().await;
}

#[tokio::test]
async fn a_template_that_somebody_removed_is_baked_again() {
    let world = World::new().await;
    let spec = VersionSpec {
        min_warm: 0,
        ..spec()
    };
    let template = world.deploy(spec, "1").await.unwrap().newest.template();
    world.node.remove_template(&template).await.unwrap();
    let answer = world.invoke("x").await.unwrap();
    assert_eq!(
        (answer.start, &answer.result[..]),
        (StartKind::Cold, &b"x"[..])
    );
    assert_ne!(world.invoke("x").await.unwrap().start, StartKind::Cold);
    world.close().await;
}

#[tokio::test]
async fn a_version_stays_with_its_image_when_the_images_name_leads_elsewhere() {
    let world = World::new().await;
    let first = world.deploy(spec(), "1").await.unwrap().newest;
    let digest = &first.image_digest;
    assert!(world.images.find(digest).is_some(), "{digest}");
    add_fake_image(&world.images, "another").await.unwrap();
    let second = world.deploy(spec(), "1").await.unwrap().newest;
    assert_eq!((first.number, second.number), (1, 2));
    assert_ne!(first.image_digest, second.image_digest);
    // The first one's template is gone: it is baked again, of the image that the version has.
    world.node.remove_template(&first.template()).await.unwrap();
    let answer = world.functions.invoke(call("x", Some("1"))).await.unwrap();
    assert_eq!(answer.version, 1);
    let templates = world.node.templates().await;
    let versions = world.functions.versions("f").unwrap();
    let of = |id| templates.iter().find(|template| template.id == id);
    let baked = of(versions[0].template()).unwrap();
    assert_eq!(baked.image, first.image_digest);
    assert_eq!(world.deploy(spec(), "1").await.unwrap().newest.number, 2);
    world.close().await;
}

#[tokio::test]
async fn a_clone_is_reused_as_often_as_was_asked_for_and_never_after_doubt() {
    let world = World::new().await;
    let spec = VersionSpec { reuse: 3, ..spec() };
    world.deploy(spec, "1").await.unwrap();
    let mut served = Vec::new();
    for event in ["a", "raise", "b", "c", "end", "d"] {
        let answer = world.invoke(event).await.unwrap();
        let log = String::from_utf8(answer.log.to_vec()).unwrap();
        served.push((log.trim().to_owned(), answer.start == StartKind::Reused));
    }
    let expected = [
        (1, false),
        (2, true),
        (3, true),
        (1, false),
        (2, true),
        (1, false),
    ];
    let expected = expected.map(|(nth, reused)| (format!("served {nth}"), reused));
    assert_eq!(served, expected);
    world.close().await;
}

#[tokio::test]
async fn a_clone_that_ended_while_it_waited_is_given_no_event() {
    let world = World::new().await;
    let spec = VersionSpec {
        reuse: 100,
        min_warm: 0,
        ..spec()
    };
    world.deploy(spec, "1").await.unwrap();
    // Its function's process ends.
    world.invoke("leave").await.unwrap();
    let answer = world.invoke("a").await.unwrap();
    assert_ne!(answer.start, StartKind::Reused);
    assert_eq!(
        (&answer.result[..], &answer.log[..]),
        (&b"a"[..], &b"served 1\n"[..])
    );
    // Its VM ends; the one with the event is among those that wait.
    let vm = answer.vm_id.clone();
    for id in world.engine.live() {
        if id.as_str() == vm {
            world.engine.kill(&id);
        }
    }
    let answer = world.invoke("b").await.unwrap();
    assert_ne!((answer.start, &answer.vm_id), (StartKind::Reused, &vm));
    assert_eq!(&answer.result[..], b"b");
    assert_eq!(world.invoke("c").await.unwrap().start, StartKind::Reused);
    // One that ended with its event is told as such: it may have been given it.
    assert!(world.invoke("crash").await.is_err());
    let logs = world.functions.logs(
        "f",
        &LogQuery {
            limit: 9,
            ..LogQuery::default()
        },
    );
    assert_eq!(logs.unwrap().len(), 5, "an event is told once");
    world.close().await;
}

#[tokio::test]
async fn a_clone_that_waits_to_be_used_again_gives_way_when_another_function_needs_its_room() {
    // Room for one VM with a little to spare.
    let limits = NodeLimits {
        memory_mib: 200,
        ..fake_limits()
    };
    let world = World::open_with(tempfile::tempdir().unwrap(), limits).await;
    let spec = VersionSpec {
        reuse: 100,
        min_warm: 0,
        ..spec()
    };
    world.deploy(spec.clone(), "1").await.unwrap();
    world.invoke("a").await.unwrap();
    assert_eq!(world.invoke("b").await.unwrap().start, StartKind::Reused);
    let other = Deploy {
        name: FunctionName::new("g").unwrap(),
        spec,
        code: Some(archive("2")),
    };
    let deployed = world.functions.deploy(other, ProgressSink::none()).await;
    deployed.unwrap();
    let answer = Invocation {
        function: "g".into(),
        ..call("c", None)
    };
    let answer = world.functions.invoke(answer).await.unwrap();
    assert_eq!(&answer.result[..], b"c");
    // And back again.
    assert_eq!(&world.invoke("d").await.unwrap().result[..], b"d");
    world.close().await;
}

#[tokio::test]
async fn whoever_hangs_up_gives_the_clone_back_and_it_is_not_used_again() {
    let world = World::new().await;
    let spec = VersionSpec {
        reuse: 100,
        ..spec()
    };
    world.deploy(spec, "1").await.unwrap();
    let mut running = world.functions.start(call("hang", None)).await.unwrap();
    assert_eq!(world.leased().await, 1);
    // Until what it has printed has come.
    while running.log().is_empty() {
        assert!(futures::poll!(std::pin::pin!(running.next())).is_pending());
        tokio::task::yield_now().await;
    }
    drop(running);
    let query = LogQuery {
        limit: 9,
        ..LogQuery::default()
    };
    let logs = world.functions.logs("f", &query).unwrap();
    assert_eq!((logs.len(), logs[0].text.as_str()), (1, "hanging\n"));
    let said = logs[0].error.as_deref();
    assert_eq!(said, Some("the caller hung up before the end"));
    // It is not the function's error.
    assert_eq!(world.functions.find("f").unwrap().last_error, None);
    let given_back = async || world.leased().await == 0;
    world.until("the clone is given back", given_back).await;
    assert_ne!(world.invoke("x").await.unwrap().start, StartKind::Reused);
    world.close().await;
}

#[tokio::test]
async fn more_events_than_places_wait_and_more_than_may_wait_are_refused() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    let hang = || world.functions.start(call("hang", None));
    let (first, second) = (hang().await.unwrap(), hang().await.unwrap());
    let short = Invocation {
        start_within: Duration::from_millis(200),
        ..call("x", None)
    };
    // One waits, and the next is refused at once.
    let (waited, refused) = tokio::join!(world.functions.invoke(short), world.invoke("y"));
    assert!(
        matches!(waited, Err(InvokeError::TimedOut(_))),
        "{waited:?}"
    );
    assert!(
        matches!(refused, Err(InvokeError::Full { .. })),
        "{refused:?}"
    );
    let info = world.functions.find("f").unwrap();
    assert_eq!((info.running, info.waiting), (2, 0));
    drop((first, second));
    assert_eq!(&world.invoke("z").await.unwrap().result[..], b"z");
    world.close().await;
}

#[tokio::test]
async fn more_callers_than_a_pool_lets_wait_wait_in_the_functions_queue() {
    let limits = NodeLimits {
        waiting: 2,
        ..fake_limits()
    };
    let world = World::open_with(tempfile::tempdir().unwrap(), limits).await;
    let spec = VersionSpec {
        concurrency: 4,
        queue: 4,
        min_warm: 0,
        max_warm: 1,
        ..spec()
    };
    world.deploy(spec, "1").await.unwrap();
    world.engine.faults(|faults| {
        faults.restore_delay = Duration::from_millis(50);
        faults.spawn_delay = Duration::from_millis(50);
    });
    let events: Vec<_> = (0..8).map(|number| format!("event {number}")).collect();
    let answers = events.iter().map(|event| world.invoke(event));
    for (event, answer) in events.iter().zip(futures::future::join_all(answers).await) {
        assert_eq!(&answer.unwrap().result[..], event.as_bytes());
    }
    world.close().await;
}

#[tokio::test]
async fn an_event_is_served_to_its_end_though_its_function_is_removed() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    let running = world
        .functions
        .start(call("sleep 300", None))
        .await
        .unwrap();
    world.functions.remove("f").await.unwrap();
    assert!(matches!(
        world.invoke("x").await,
        Err(InvokeError::Function(FunctionError::NotFound(_)))
    ));
    let answer = running.collect().await.unwrap();
    assert_eq!(&answer.result[..], b"sleep 300");
    let gone = async || world.node.templates().await.is_empty();
    world
        .until("the template goes after the last event", gone)
        .await;
    world.close().await;
}

#[tokio::test]
async fn events_are_served_while_another_version_is_deployed() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    let (deployed, answer) = tokio::join!(world.deploy(spec(), "2"), world.invoke("x"));
    assert_eq!(deployed.unwrap().newest.number, 2);
    let version = answer.unwrap().version;
    assert!((1..=2).contains(&version));
    assert_eq!(world.invoke("x").await.unwrap().version, 2);
    world.close().await;
}

#[tokio::test]
async fn a_queued_event_is_served_and_one_that_goes_wrong_three_times_is_dead() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    for event in ["fine", "raise"] {
        world.functions.enqueue(call(event, None)).await.unwrap();
    }
    let state = async |id: &str| world.functions.event("f", id).await.unwrap().info.state;
    let done = async || state("id-fine").await == EventState::Done;
    world.until("the event is done", done).await;
    let dead = async || state("id-raise").await == EventState::Dead;
    world.until("the other is dead", dead).await;
    let fine = world.functions.event("f", "id-fine").await.unwrap();
    assert_eq!(
        (fine.info.attempts, fine.result.as_deref()),
        (0, Some(&b"fine"[..]))
    );
    let listed = world.functions.events("f", EventState::Dead, 10).await;
    let listed = listed.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].attempts, listed[0].error.as_deref()),
        (3, Some("raise"))
    );
    let retried = world.functions.retry_event("f", "id-raise").await.unwrap();
    assert_eq!(
        (retried.info.state, retried.info.attempts),
        (EventState::Queued, 0)
    );
    world.until("it is dead again", dead).await;
    world.functions.remove_event("f", "id-raise").await.unwrap();
    assert!(matches!(
        world.functions.event("f", "id-raise").await,
        Err(FunctionError::NoEvent(_))
    ));
    world.close().await;
}

#[tokio::test]
async fn events_that_would_hold_too_much_together_are_refused_until_there_is_room() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    // They take every place, so that what follows stays queued.
    let hang = || world.functions.start(call("hang", None));
    let held = (hang().await.unwrap(), hang().await.unwrap());
    let enqueue = async |first: &str| {
        let event = format!("{first}{}", "x".repeat(1 << 20));
        world.functions.enqueue(call(&event, None)).await
    };
    enqueue("a").await.unwrap();
    let refused = enqueue("b").await;
    let Err(InvokeError::Full { what, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(what.contains("2 MiB"), "{what}");
    drop(held);
    let waiting = async || {
        let queued = world.functions.events("f", EventState::Queued, 10).await;
        queued.unwrap().len()
    };
    world
        .until("it is served", async || waiting().await == 0)
        .await;
    enqueue("b").await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn an_event_that_was_taken_is_never_replaced_by_another_with_its_id() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    let other = Deploy {
        name: FunctionName::new("g").unwrap(),
        spec: spec(),
        code: Some(archive("1")),
    };
    let deployed = world.functions.deploy(other, ProgressSink::none()).await;
    deployed.unwrap();
    let named = |function: &str, event: &str| Invocation {
        function: function.to_owned(),
        request_id: "same".to_owned(),
        ..call(event, None)
    };
    for call in [named("f", "one"), named("g", "two"), named("f", "one")] {
        world.functions.enqueue(call).await.unwrap();
    }
    let taken = world.functions.enqueue(named("f", "three")).await;
    assert!(matches!(taken, Err(InvokeError::IdTaken(_))), "{taken:?}");
    for (function, result) in [("f", b"one"), ("g", b"two")] {
        let event = async || world.functions.event(function, "same").await.unwrap();
        let done = async || event().await.info.state == EventState::Done;
        world.until("it is done", done).await;
        assert_eq!(event().await.result.as_deref(), Some(&result[..]));
        let listed = world.functions.events(function, EventState::Done, 10).await;
        assert_eq!(listed.unwrap().len(), 1);
    }
    world.close().await;
}

#[tokio::test]
async fn queued_events_that_were_not_served_are_served_after_a_restart() {
    let world = World::new().await;
    world.deploy(spec(), "1").await.unwrap();
    // They take every place, so that what follows stays queued.
    let hang = || world.functions.start(call("hang", None));
    let held = (hang().await.unwrap(), hang().await.unwrap());
    for number in 0..5 {
        let event = format!("event {number}");
        world.functions.enqueue(call(&event, None)).await.unwrap();
    }
    drop(held);
    // As a daemon that is killed leaves it: whatever was under way is still queued.
    let world = World::open(world.close().await).await;
    let all_done = async || {
        let done = world.functions.events("f", EventState::Done, 10).await;
        done.unwrap().len() == 5
    };
    world.until("every event is done", all_done).await;
    world.close().await;
}
