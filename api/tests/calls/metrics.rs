//! What Prometheus scrapes.

use serde_json::json;

use crate::world::{World, sum_of};

#[tokio::test]
async fn the_node_says_how_its_clones_get_memory_and_why() {
    let world = World::new().await;
    let scraped = world.call("GET", "/metrics", None).await;
    let text = scraped.body.as_str().unwrap();
    let info = text
        .lines()
        .find(|line| line.starts_with("thaw_node_info{"))
        .unwrap();
    for label in ["memory=\"file\"", "memory_reason=\"configured\""] {
        assert!(info.contains(label), "{info}");
    }
    for shell in ["waiting", "spawned"] {
        let line = format!("thaw_copies{{shell=\"{shell}\"}} 0");
        assert!(text.contains(&line), "{text}");
    }
    world.close().await;
}

#[tokio::test]
async fn every_exec_is_counted_once_by_how_it_ended_and_how_it_started() {
    let world = World::new().await;
    for (argv, status) in [
        (json!(["true"]), 200),
        (json!(["exit", "3"]), 200),
        (json!(["no-such-program"]), 422),
    ] {
        assert_eq!(world.exec(json!({ "argv": argv })).await.status, status);
    }
    let text = world.metrics().await;
    let value = |parts: &[&str]| sum_of(&text, parts);
    for outcome in ["succeeded", "failed", "error"] {
        let label = format!("outcome=\"{outcome}\"");
        assert_eq!(
            value(&["thaw_execs_total", &label]),
            1.0,
            "{outcome}: {text}"
        );
    }
    assert_eq!(
        value(&["thaw_exec_errors_total", "program_not_found"]),
        1.0,
        "{text}"
    );
    assert!(value(&["stage=\"daemon\"", "_count"]) >= 2.0, "{text}");
    world.close().await;
}
