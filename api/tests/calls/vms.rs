//! VMs that live until they are deleted.

use serde_json::json;

use crate::world::{World, exec};

#[tokio::test]
async fn a_vm_is_created_used_again_and_deleted() {
    let world = World::new().await;
    let made = world
        .call("POST", "/v1/vms", Some(exec(json!({ "name": "web" }))))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.body["id"].as_str().unwrap().to_owned();
    let again = world
        .call("POST", "/v1/vms", Some(exec(json!({ "name": "web" }))))
        .await;
    assert_eq!((again.status, again.code()), (409, "vm_name_taken"));
    for _ in 0..2 {
        let path = format!("/v1/vms/{id}/exec");
        let ran = world
            .call("POST", &path, Some(json!({ "argv": ["hostname"] })))
            .await;
        assert_eq!(
            (ran.status, ran.body["stdout"].as_str()),
            (200, Some(id.as_str()))
        );
        assert_eq!(ran.body["start"], json!("reused"));
    }
    assert_eq!(
        world
            .call("DELETE", &format!("/v1/vms/{id}"), None)
            .await
            .status,
        204
    );
    world.nothing_is_leased().await;
    let gone = world.call("GET", &format!("/v1/vms/{id}"), None).await;
    assert_eq!((gone.status, gone.code()), (404, "vm_not_found"));
    world.close().await;
}
