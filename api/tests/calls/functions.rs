//! Functions over HTTP: what is deployed, routed, queued, refused and told piece by piece.

use std::io::{Cursor, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::world::{Answer, World, sum_of};

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Small as it is sent, and larger than all code may be when it is unpacked.
fn bomb() -> Vec<u8> {
    let part = zipped(&[("part", &vec![0; 16 << 20])]);
    let mut part = ZipArchive::new(Cursor::new(part)).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..17 {
        let file = part.by_index_raw(0).unwrap();
        zip.raw_copy_file_rename(file, format!("part{number}"))
            .unwrap();
    }
    zip.finish().unwrap().into_inner()
}

async fn deploy(world: &World, code: &[u8], more: Value) -> Answer {
    let mut request = json!({
        "name": "f", "image": "tiny", "memory_mib": 128, "kind": "python", "handler": "app.handle",
        "min_warm": 0, "code_base64": STANDARD.encode(code),
    });
    let fields = more.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(fields);
    world.call("POST", "/v1/functions", Some(request)).await
}

async fn deployed(world: &World, source: &str, more: Value) -> Value {
    let answer = deploy(world, &zipped(&[("app.py", source.as_bytes())]), more).await;
    assert!(answer.status < 300, "{answer:?}");
    answer.body
}

/// Gives `f` an event as text.
fn invoke(world: &World, query: &str, event: &str) -> reqwest::RequestBuilder {
    let request = world.request("POST", &format!("/v1/functions/f/invoke{query}"));
    let request = request.header("content-type", "text/plain");
    request.body(event.to_owned())
}

#[tokio::test]
async fn code_that_cannot_be_taken_is_refused_by_status_and_nothing_is_there() {
    let world = World::new().await;
    let cases = [
        (bomb(), 413, "code_too_large"),
        (zipped(&[("../evil.py", b"")]), 422, "code_invalid"),
        (zipped(&[("/etc/evil.py", b"")]), 422, "code_invalid"),
        (b"PK\x03\x04 and no zip".to_vec(), 422, "code_invalid"),
        (b"no archive at all".to_vec(), 422, "code_invalid"),
    ];
    for (code, status, name) in cases {
        let answer = deploy(&world, &code, json!({})).await;
        assert_eq!((answer.status, answer.code()), (status, name), "{answer:?}");
    }
    let listed = world.call("GET", "/v1/functions", None).await;
    assert_eq!(listed.body["functions"], json!([]));
    world.close().await;
}

#[tokio::test]
async fn an_alias_draws_its_versions_by_weight_and_leads_back() {
    let world = World::new().await;
    deployed(&world, "1", json!({ "reuse": 1000 })).await;
    deployed(&world, "2", json!({ "reuse": 1000 })).await;
    let alias = "/v1/functions/f/aliases/live";
    let one = json!({ "versions": { "1": 1.0 } });
    let put = world.call("PUT", alias, Some(one)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let both = json!({ "versions": { "1": 1.0, "2": 1.0 } });
    assert_eq!(world.call("PUT", alias, Some(both)).await.status, 200);
    let mut served = [0, 0];
    for _ in 0..100 {
        let answer = invoke(&world, "?qualifier=live", "x").send().await.unwrap();
        match answer.headers()["x-thaw-version"].to_str().unwrap() {
            "1" => served[0] += 1,
            _ => served[1] += 1,
        }
    }
    // That either gets fewer than 10 of 100 happens once in 10^17.
    assert!(served.iter().all(|&count| count >= 10), "{served:?}");
    let back = world.call("POST", &format!("{alias}/rollback"), None).await;
    assert_eq!(back.body["versions"], json!({ "1": 1.0 }));
    world.close().await;
}

#[tokio::test]
async fn an_event_has_an_id_in_its_answer_whatever_came_of_it() {
    let world = World::new().await;
    let refused = invoke(&world, "", "event").send().await.unwrap();
    assert_eq!(refused.status(), 404);
    deployed(&world, "1", json!({})).await;
    let answered = invoke(&world, "", "event").send().await.unwrap();
    assert_eq!(answered.status(), 200);
    let queued = invoke(&world, "?mode=async", "event").send().await.unwrap();
    assert_eq!(queued.status(), 202);
    let ids = [&refused, &answered, &queued].map(|answer| {
        let id = answer.headers().get("x-thaw-request-id").unwrap();
        id.to_str().unwrap().to_owned()
    });
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    for header in ["x-thaw-start", "x-thaw-timings-us", "x-thaw-version"] {
        assert!(answered.headers().contains_key(header), "{header}");
    }
    let queued: Value = queued.json().await.unwrap();
    assert_eq!(queued["id"], json!(ids[2]));
    world.close().await;
}

#[tokio::test]
async fn a_queued_event_that_goes_wrong_is_listed_dead_and_queued_again_on_request() {
    let world = World::new().await;
    deployed(&world, "1", json!({})).await;
    let queued = invoke(&world, "?mode=async", "raise").header("x-thaw-request-id", "mine");
    let queued = queued.send().await.unwrap();
    assert_eq!(queued.status(), 202);
    // Another event under its id is refused, and so replaces nothing.
    let other = invoke(&world, "?mode=async", "other").header("x-thaw-request-id", "mine");
    let other = other.send().await.unwrap();
    assert_eq!(other.status(), 409);
    let event = "/v1/functions/f/events/mine";
    let until_dead = async || {
        loop {
            let answer = world.call("GET", event, None).await;
            if answer.body["state"] == "dead" {
                return answer.body;
            }
        }
    };
    let dead = until_dead().await;
    assert_eq!(dead["attempts"], json!(3));
    assert_eq!(dead["event_base64"], json!(STANDARD.encode("raise")));
    let listed = world
        .call("GET", "/v1/functions/f/events?state=dead", None)
        .await;
    let in_list = &listed.body["events"][0];
    assert_eq!(in_list["id"], json!("mine"));
    // What an event holds is told of one event only.
    assert_eq!(in_list["event_bytes"], json!(5));
    assert_eq!(in_list.get("event_base64"), None);
    for limit in ["0", "1001", "4294967295"] {
        let path = format!("/v1/functions/f/events?state=dead&limit={limit}");
        let refused = world.call("GET", &path, None).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_request"));
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("limit is"), "{message}");
    }
    let again = world.call("POST", &format!("{event}/retry"), None).await;
    assert_eq!(again.body["state"], json!("queued"));
    until_dead().await;
    assert_eq!(world.call("DELETE", event, None).await.status, 204);
    let gone = world.call("GET", event, None).await;
    assert_eq!(gone.code(), "function_event_not_found");
    world.close().await;
}

#[tokio::test]
async fn an_event_without_a_place_is_refused_with_the_time_to_come_back() {
    let world = World::new().await;
    deployed(&world, "1", json!({ "concurrency": 1, "queue": 0 })).await;
    let dripping = invoke(&world, "?mode=stream", "drip").send().await.unwrap();
    let refused = crate::world::answer(invoke(&world, "", "x")).await;
    assert_eq!((refused.status, refused.code()), (429, "function_busy"));
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    // AWS's clients are told in AWS's shape.
    let request = world.request("POST", "/2015-03-31/functions/f/invocations");
    let refused = request.body("1").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(
        refused.headers()["x-amzn-errortype"],
        "TooManyRequestsException"
    );
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(dripping);
    world.close().await;
}

#[tokio::test]
async fn a_piece_of_an_answer_is_seen_before_its_end_and_errors_are_told_as_ever() {
    let world = World::new().await;
    deployed(&world, "1", json!({})).await;
    // It never ends by itself.
    let mut dripping = invoke(&world, "?mode=stream", "drip").send().await.unwrap();
    assert_eq!(dripping.headers()["x-thaw-version"], "1");
    assert_eq!(&dripping.chunk().await.unwrap().unwrap()[..], b"drip");
    world.leased(1).await;
    drop(dripping);
    world.nothing_is_leased().await;
    let whole = invoke(&world, "?mode=stream", "all of it")
        .send()
        .await
        .unwrap();
    assert_eq!(whole.headers()["content-type"], "text/plain");
    assert_eq!(whole.text().await.unwrap(), "all of it");
    for (event, error) in [("raise", "raised"), ("end", "ended")] {
        let answer = invoke(&world, "?mode=stream", event).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-thaw-function-error"], error);
        assert!(!answer.text().await.unwrap().is_empty());
    }
    // It may be cut off before its head is on its way.
    if let Ok(broken) = invoke(&world, "?mode=stream", "break").send().await {
        broken.bytes().await.unwrap_err();
    }
    world.close().await;
}

#[tokio::test]
async fn events_are_counted_by_function_start_and_end_until_it_is_removed() {
    let world = World::new().await;
    let settings = json!({ "concurrency": 1, "queue": 0, "reuse": 100 });
    deployed(&world, "1", settings).await;
    for event in ["x", "y", "raise", "end"] {
        let answer = invoke(&world, "", event).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let dripping = invoke(&world, "?mode=stream", "drip").send().await.unwrap();
    assert_eq!(invoke(&world, "", "x").send().await.unwrap().status(), 429);
    let text = world.metrics().await;
    assert_eq!(
        sum_of(&text, &["thaw_function_running{function=\"f\"}"]),
        1.0
    );
    drop(dripping);
    world.nothing_is_leased().await;
    let counted = |text: &str, outcome: &str| {
        let outcome = format!("outcome=\"{outcome}\"");
        let name = "thaw_function_invocations_total{function=\"f\"";
        sum_of(text, &[name, &outcome])
    };
    // It is counted right after its clone was given back.
    let text = loop {
        let text = world.metrics().await;
        if counted(&text, "abandoned") == 1.0 {
            break text;
        }
    };
    for (outcome, count) in [
        ("returned", 2.0),
        ("raised", 1.0),
        ("ended", 1.0),
        ("refused", 1.0),
    ] {
        assert_eq!(counted(&text, outcome), count, "{outcome}: {text}");
    }
    let reused = ["thaw_function_invocations_total", "start=\"reused\""];
    assert_eq!(sum_of(&text, &reused), 3.0, "{text}");
    assert_eq!(
        sum_of(&text, &["thaw_function_seconds_count{function=\"f\"}"]),
        4.0
    );

    assert_eq!(
        world.call("DELETE", "/v1/functions/f", None).await.status,
        204
    );
    let text = world.metrics().await;
    assert!(!text.contains("function=\"f\""), "{text}");
    world.close().await;
}
