//! The dashboard's pages, and the addresses that lead to them.

use reqwest::{Client, Response, redirect::Policy};

use crate::world::World;

async fn get(world: &World, path: &str) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let url = format!("http://{}{path}", world.address);
    client.get(url).send().await.unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn every_address_below_the_dashboard_is_its_page_and_assets_are_files() {
    let world = World::new().await;
    for path in ["/dashboard/", "/dashboard/vms/vm-1/files"] {
        let page = get(&world, path).await;
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let policy = header(&page, "content-security-policy");
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.text().await.unwrap(), "<!doctype html>");
    }
    let script = get(&world, "/dashboard/assets/app-1a2b.js").await;
    assert_eq!(
        header(&script, "content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(header(&script, "x-content-type-options"), "nosniff");
    assert!(header(&script, "cache-control").contains("immutable"));
    assert_eq!(script.text().await.unwrap(), "go()");
    // A page of an earlier version asks for files that are gone; a page in their place would be run as a script.
    let gone = get(&world, "/dashboard/assets/app-0000.js").await;
    assert_eq!(gone.status(), 404);
    world.close().await;
}

#[tokio::test]
async fn the_root_and_bandsox_s_pages_lead_to_the_dashboard() {
    let world = World::new().await;
    for (path, leads_to) in [
        ("/", "/dashboard/"),
        ("/dashboard", "/dashboard/"),
        ("/vm_details?id=vm-1", "/dashboard/vms/vm-1"),
        ("/vm_details", "/dashboard/vms"),
        ("/terminal?id=vm-1", "/dashboard/vms/vm-1/terminal"),
        (
            "/markdown_viewer?vm_id=vm-1&path=/root/a%20b.md",
            "/dashboard/vms/vm-1/files?path=%2Froot%2Fa%20b.md",
        ),
        // Nothing that is asked for leads out of the dashboard.
        (
            "/vm_details?id=../../v1/vms",
            "/dashboard/vms/..%2F..%2Fv1%2Fvms",
        ),
        (
            "/terminal?id=%0d%0aset-cookie:a",
            "/dashboard/vms/%0D%0Aset-cookie%3Aa/terminal",
        ),
    ] {
        let answer = get(&world, path).await;
        assert_eq!(answer.status(), 303, "{path}");
        assert_eq!(header(&answer, "location"), leads_to, "{path}");
    }
    world.close().await;
}
