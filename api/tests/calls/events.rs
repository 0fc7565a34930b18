//! Output as it comes, as server-sent events.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::world::{World, exec};

#[tokio::test]
async fn events_end_with_the_exit_and_carry_the_output_in_order() {
    let world = World::new().await;
    let text = "line\n".repeat(40_000);
    let events = world
        .events(json!({ "argv": ["cat"], "stdin": text }))
        .await;
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.0, "exit");
    assert_eq!(last.1["exit_code"], json!(0));
    assert!(last.1["timings_us"]["total"].is_u64());
    assert!(last.1.get("stdout").is_none());
    assert!(chunks.len() > 1);
    let mut joined = String::new();
    for (name, data) in chunks {
        assert_eq!(
            (name.as_str(), &data["encoding"]),
            ("stdout", &json!("utf8"))
        );
        joined += data["data"].as_str().unwrap();
    }
    assert!(joined == text, "the pieces do not make the whole");
    world.close().await;
}

#[tokio::test]
async fn characters_that_are_cut_between_pieces_stay_whole_and_base64_pieces_join() {
    let world = World::new().await;
    // Three bytes each, so that no power of two divides them.
    let text = "\u{20ac}".repeat(50_000);
    let events = world
        .events(json!({ "argv": ["cat"], "stdin": text }))
        .await;
    let joined: String = events
        .iter()
        .filter_map(|(_, data)| data["data"].as_str())
        .collect();
    assert!(joined == text, "a character was torn");
    let events = world
        .events(json!({ "argv": ["cat"], "stdin": text, "encoding": "base64" }))
        .await;
    let mut bytes = Vec::new();
    for data in events.iter().filter_map(|(_, data)| data["data"].as_str()) {
        bytes.extend(STANDARD.decode(data).unwrap());
    }
    assert!(bytes == text.as_bytes(), "a byte was lost");
    world.close().await;
}

#[tokio::test]
async fn what_is_refused_before_anything_ran_has_its_status_and_later_it_is_an_event() {
    let world = World::new().await;
    let ask = |argv: &str| {
        let request = world
            .request("POST", "/v1/exec")
            .json(&exec(json!({ "argv": [argv] })));
        request.header("accept", "text/event-stream")
    };
    let refused = crate::world::answer(ask("no-such-program")).await;
    assert_eq!((refused.status, refused.code()), (422, "program_not_found"));
    // A second of silence, then its VM dies.
    let response = ask("hang").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let vm = world.engine.live();
    for id in &vm {
        world.engine.kill(id);
    }
    let text = response.text().await.unwrap();
    assert!(
        text.contains("event: error") && text.contains("vm_ended"),
        "{text}"
    );
    world.close().await;
}

#[tokio::test]
async fn the_progress_of_a_template_is_told_while_it_is_made() {
    let world = World::new().await;
    let wanted = json!({ "image": "tiny", "memory_mib": 128 });
    let request = world.request("POST", "/v1/templates").json(&wanted);
    let response = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let text = response.text().await.unwrap();
    let done = text.rfind("event: done");
    assert!(done.is_some(), "{text}");
    assert!(text.find("event: progress") < done, "{text}");
    world.close().await;
}
