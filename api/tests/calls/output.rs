//! What a program wrote, in a JSON answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn an_answer_has_the_streams_the_exit_the_start_and_stages_that_add_up() {
    let world = World::new().await;
    let ran = world
        .exec(json!({ "argv": ["echo", "a", "b"], "env": { "X": "y" } }))
        .await;
    assert_eq!((ran.status, &ran.body["stdout"]), (200, &json!("a b\n")));
    for (field, value) in [
        ("stderr", json!("")),
        ("exit_code", json!(0)),
        ("timed_out", json!(false)),
        ("stdout_truncated", json!(false)),
        ("encoding", json!("utf8")),
        ("start", json!("cold")),
    ] {
        assert_eq!(ran.body[field], value, "{field}");
    }
    let stages = ran.body["timings_us"].as_object().unwrap();
    let total = stages["total"].as_u64().unwrap();
    let sum: u64 = stages
        .iter()
        .filter(|(name, _)| *name != "total")
        .map(|(_, us)| us.as_u64().unwrap())
        .sum();
    assert_eq!(sum, total);
    let next = world
        .exec(json!({ "argv": ["env"], "env": { "X": "y" } }))
        .await;
    assert!(next.body["stdout"].as_str().unwrap().contains("X=y\n"));
    assert_ne!(next.body["vm_id"], ran.body["vm_id"]);
    world.close().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_come_back_whole_in_base64_and_marked_in_utf8() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let stdin = STANDARD.encode(&bytes);
    let ran = world
        .exec(json!({ "argv": ["cat"], "stdin_base64": stdin, "encoding": "base64" }))
        .await;
    let back = STANDARD
        .decode(ran.body["stdout"].as_str().unwrap())
        .unwrap();
    assert_eq!(back, bytes);
    let lossy = world
        .exec(json!({ "argv": ["cat"], "stdin_base64": stdin }))
        .await;
    assert_eq!(lossy.body["stdout"], json!(String::from_utf8_lossy(&bytes)));
    world.close().await;
}

#[tokio::test]
async fn standard_input_larger_than_a_pipe_and_any_queue_comes_back_whole() {
    let world = World::new().await;
    let stdin = "0123456789abcdef".repeat(256 * 1024);
    let ran = world.exec(json!({ "argv": ["cat"], "stdin": stdin })).await;
    assert_eq!(ran.status, 200);
    assert!(
        ran.body["stdout"].as_str().unwrap() == stdin,
        "stdin came back changed"
    );
    world.close().await;
}

#[tokio::test]
async fn a_program_whose_time_is_up_is_an_answer_and_not_an_error() {
    let world = World::new().await;
    for program in ["hang", "stuck"] {
        let ran = world
            .exec(json!({ "argv": [program], "timeout_ms": 100 }))
            .await;
        assert_eq!(
            (ran.status, &ran.body["timed_out"]),
            (200, &json!(true)),
            "{program}"
        );
        assert_eq!(
            (&ran.body["exit_code"], &ran.body["signal"]),
            (&json!(null), &json!(9))
        );
    }
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn a_guest_that_says_more_than_was_asked_for_or_nonsense_is_ended() {
    let world = World::new().await;
    for program in ["flood", "garbage", "cut"] {
        let refused = world
            .exec(json!({ "argv": [program], "output_limit_bytes": 100_000 }))
            .await;
        assert!(
            (500..600).contains(&refused.status),
            "{program}: {refused:?}"
        );
        refused.code();
    }
    world.nothing_is_leased().await;
    world.close().await;
}
