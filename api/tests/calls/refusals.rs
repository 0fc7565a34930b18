//! Requests that can't be done: each has its status, its code, and words that name the mend.

use serde_json::json;
use thaw_api_types::limits;
use tokio::net::TcpListener;

use crate::world::{World, answer, exec};

#[tokio::test]
async fn an_unknown_image_is_told_with_the_ways_to_add_it() {
    let world = World::new().await;
    // A name that no registry can have, so that none is asked.
    let refused = world
        .exec(json!({ "image": "No Such Image", "argv": ["true"] }))
        .await;
    assert_eq!((refused.status, refused.code()), (422, "image_invalid"));
    assert!(refused.hint().contains("thaw image add"), "{refused:?}");
    assert!(refused.message().contains("No Such Image"), "{refused:?}");
    let digest = format!("sha256:{}", "0".repeat(64));
    let refused = world
        .exec(json!({ "image": digest, "argv": ["true"] }))
        .await;
    assert_eq!((refused.status, refused.code()), (404, "image_not_found"));
    assert!(refused.hint().contains("thaw image ls"), "{refused:?}");
    world.close().await;
}

#[tokio::test]
async fn an_image_that_its_registry_does_not_have_is_told_by_name() {
    let world = World::new().await;
    let registry = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!(
        "registry:{}/team/never-made:1",
        registry.local_addr().unwrap()
    );
    let nothing_there = async { axum::serve(registry, axum::Router::new()).await };
    let asked = world.exec(json!({ "image": image, "argv": ["true"] }));
    let refused = tokio::select! {
        refused = asked => refused,
        ended = nothing_there => panic!("the registry ended: {ended:?}"),
    };
    assert_eq!(
        (refused.status, refused.code()),
        (404, "image_not_found"),
        "{refused:?}"
    );
    assert!(refused.message().contains("never-made"), "{refused:?}");
    assert!(!refused.hint().is_empty(), "{refused:?}");
    world.close().await;
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_told_apart_from_an_image_that_is_not_there() {
    let world = World::new().await;
    // Port 1 of loopback: nobody listens there.
    let refused = world
        .exec(json!({ "image": "registry:127.0.0.1:1/app", "argv": ["true"] }))
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (502, "image_source_unavailable"),
        "{refused:?}"
    );
    assert!(refused.hint().contains("oci-archive"), "{refused:?}");
    world.close().await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_with_all_that_is_wrong() {
    let world = World::new().await;
    for (request, words) in [
        (json!({ "argv": [] }), &["argv names no program"][..]),
        (json!({ "argv": [""] }), &["argv"]),
        (json!({ "argv": ["a\0b"] }), &["NUL"]),
        (json!({ "argv": ["a"], "command": "b" }), &["at most one"]),
        (json!({ "code": "print(1)" }), &["language and code"]),
        (json!({ "language": "python" }), &["language and code"]),
        (
            json!({ "argv": ["a"], "stdin": "x", "stdin_base64": "eA==" }),
            &["not both"],
        ),
        (json!({ "argv": ["a"], "stdin_base64": "%%" }), &["base64"]),
        (json!({ "argv": ["a"], "cwd": "here" }), &["cwd"]),
        (
            json!({ "argv": ["a"], "template": "t" }),
            &["image or template"],
        ),
        (
            json!({ "argv": ["a"], "timeout_ms": 0, "vcpus": 99, "memory_mib": 1 }),
            &["timeout_ms", "vcpus", "memory_mib"],
        ),
        (
            json!({ "argv": ["a"], "output_limit_bytes": limits::MAX_OUTPUT_LIMIT_BYTES }),
            &["text/event-stream"],
        ),
    ] {
        let refused = world.exec(request.clone()).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "invalid_request"),
            "{request} {refused:?}"
        );
        for words in words {
            assert!(refused.message().contains(words), "{request}: {refused:?}");
        }
    }
    for (request, words) in [
        (json!({ "argv": ["a"], "colour": "red" }), "colour"),
        (json!({ "argv": "true" }), "argv"),
        (json!({ "argv": ["a"], "encoding": "latin1" }), "latin1"),
        (json!({ "language": "cobol", "code": "x" }), "cobol"),
    ] {
        let refused = world.exec(request.clone()).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "invalid_request"),
            "{request} {refused:?}"
        );
        let told = format!("{} {}", refused.message(), refused.hint());
        assert!(
            told.contains(words) && told.contains("/docs"),
            "{request}: {refused:?}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_or_too_large_or_not_said_to_be_json_is_refused() {
    let world = World::new().await;
    let post = || world.request("POST", "/v1/exec");
    let plain = answer(post().body(exec(json!({ "argv": ["true"] })).to_string())).await;
    assert_eq!(
        (plain.status, plain.code()),
        (415, "unsupported_media_type")
    );
    assert!(plain.hint().contains("application/json"));
    let json = || post().header("content-type", "application/json");
    let broken = answer(json().body("{")).await;
    assert_eq!((broken.status, broken.code()), (400, "bad_json"));
    let large = answer(json().body(vec![b' '; limits::MAX_JSON_BODY_BYTES + 1])).await;
    assert_eq!((large.status, large.code()), (413, "body_too_large"));
    world.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new().await;
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "route_not_found"),
        ("PUT", "/v1/exec", 405, "method_not_allowed"),
        ("GET", "/v1/images/none", 404, "image_not_found"),
        ("DELETE", "/v1/images/a%2Fb:c", 404, "image_not_found"),
        ("GET", "/v1/templates/none", 404, "template_not_found"),
        ("DELETE", "/v1/templates/none", 404, "template_not_found"),
        ("GET", "/v1/vms/none", 404, "vm_not_found"),
        ("DELETE", "/v1/vms/none", 404, "vm_not_found"),
    ] {
        let refused = world.call(method, path, None).await;
        assert_eq!(
            (refused.status, refused.code()),
            (status, code),
            "{method} {path}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_apart_from_one_that_exits_with_127() {
    let world = World::new().await;
    let missing = world.exec(json!({ "argv": ["no-such-program"] })).await;
    assert_eq!((missing.status, missing.code()), (422, "program_not_found"));
    assert!(missing.hint().contains("PATH"), "{missing:?}");
    let own = world.exec(json!({ "argv": ["exit", "127"] })).await;
    assert_eq!((own.status, &own.body["exit_code"]), (200, &json!(127)));
    assert_eq!(own.body["signal"], json!(null));
    world.close().await;
}

#[tokio::test]
async fn nothing_to_run_is_told_where_the_image_has_no_command_either() {
    let world = World::new().await;
    let refused = world.exec(json!({})).await;
    assert_eq!((refused.status, refused.code()), (422, "nothing_to_run"));
    assert!(refused.hint().contains("argv"), "{refused:?}");
    world.close().await;
}

#[tokio::test]
async fn a_guest_that_panics_and_a_vmm_that_is_killed_are_told_apart() {
    let world = World::new().await;
    let panicked = world.exec(json!({ "argv": ["panic"] })).await;
    assert_eq!((panicked.status, panicked.code()), (502, "guest_panicked"));
    assert!(panicked.message().contains("Kernel panic"), "{panicked:?}");
    let killed = world.exec(json!({ "argv": ["crash"] })).await;
    assert_eq!((killed.status, killed.code()), (502, "vm_ended"));
    assert!(killed.message().contains("signal 9"), "{killed:?}");
    let well = world.exec(json!({ "argv": ["true"] })).await;
    assert_eq!(well.status, 200);
    world.close().await;
}

#[tokio::test]
async fn restores_that_fail_again_and_again_are_refused_with_the_time_to_wait() {
    let world = World::with(|limits| limits.pool.min = 0).await;
    assert_eq!(world.exec(json!({ "argv": ["true"] })).await.status, 200);
    world
        .engine
        .faults(|faults| faults.restore_failures = u32::MAX);
    let mut codes = Vec::new();
    for _ in 0..8 {
        let refused = world
            .exec(json!({ "argv": ["true"], "start_timeout_ms": 2000 }))
            .await;
        let code = refused.code().to_owned();
        if code == "restores_failing" {
            assert_eq!(refused.status, 503);
            assert!(refused.retry_after.is_some(), "{refused:?}");
            world.engine.faults(|faults| faults.restore_failures = 0);
            world.close().await;
            return;
        }
        codes.push(code);
    }
    panic!("{codes:?}");
}
