//! Authentication over HTTP.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use thaw_api::auth::{ApiDb, BandsoxAuth};
use thaw_api_types::Scope;

use super::support::{PASSWORD, Server, key, set_password};

async fn error_of(answer: Response) -> (u16, String, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    let text = |field: &str| body["error"][field].as_str().unwrap_or("").to_owned();
    (status, text("code"), text("hint"))
}

#[tokio::test]
async fn authentication_is_turned_on_and_off_while_the_service_runs() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    assert_eq!(server.get("/v1/vms", "anything").await, 200);
    let (status, code, _) = error_of(server.login(PASSWORD).await).await;
    assert_eq!((status, code.as_str()), (409, "auth_off"));

    let mut db = set_password(&root);
    let answer = server.ask(Method::GET, "/v1/vms").send().await.unwrap();
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Bearer realm=\"thaw\""
    );
    let (status, code, hint) = error_of(answer).await;
    assert_eq!((status, code.as_str()), (401, "unauthorized"));
    assert!(hint.contains("THAW_API_KEY"), "{hint}");
    for open in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
        let answer = server.ask(Method::GET, open).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{open}");
    }
    let answer = server.ask(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    // This build has no dashboard, and anybody may learn that.
    let (status, _, hint) = error_of(server.ask(Method::GET, "/").send().await.unwrap()).await;
    assert_eq!(status, 404);
    assert!(hint.contains("make build"), "{hint}");
    // Clients of AWS read another shape.
    let invoke = server.ask(Method::POST, "/2015-03-31/functions/f/invocations");
    let answer = invoke.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let kind = &answer.headers()["x-amzn-errortype"];
    assert_eq!(kind, "UnrecognizedClientException");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["Type"], "User");

    assert!(db.disable_auth().unwrap());
    assert_eq!(server.get("/v1/vms", "anything").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_session_outlives_the_service_and_ends_when_it_is_ended() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    set_password(&root);
    let (status, code, _) = error_of(server.login("wrong password").await).await;
    assert_eq!((status, code.as_str()), (401, "unauthorized"));
    let cookie = server.session().await;
    let other = server.session().await;
    server.stop().await;

    let server = Server::start(root.path(), false).await;
    let look = |cookie: &str| {
        let request = server
            .ask(Method::GET, "/v1/session")
            .header("cookie", cookie);
        async move { request.send().await.unwrap() }
    };
    let me: Value = look(&cookie).await.json().await.unwrap();
    assert_eq!(me["kind"], "session");
    assert_eq!(me["scopes"], json!(["admin"]));
    let logout = server
        .ask(Method::POST, "/v1/logout")
        .header("cookie", &cookie);
    let answer = logout.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert!(
        answer.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let (status, code, _) = error_of(look(&cookie).await).await;
    assert_eq!((status, code.as_str()), (401, "unauthorized"));
    assert_eq!(look(&other).await.status(), 200);
    set_password(&root);
    assert_eq!(
        look(&other).await.status(),
        401,
        "a new password ends every session"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_cookie_changes_nothing_unless_our_own_page_sends_it() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    set_password(&root);
    let cookie = server.session().await;
    let create = |name: &str, header: Option<(&str, &str)>| {
        let body = json!({ "name": name, "scopes": ["read"] });
        let mut request = server.ask(Method::POST, "/v1/keys").json(&body);
        request = request.header("cookie", &cookie);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        async move { request.send().await.unwrap() }
    };
    let (status, code, _) = error_of(create("a", None).await).await;
    assert_eq!((status, code.as_str()), (403, "origin_not_allowed"));
    for foreign in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(create("b", Some(foreign)).await.status(), 403);
    }
    let origin = server.origin();
    assert_eq!(create("c", Some(("origin", &origin))).await.status(), 201);
    assert_eq!(
        create("d", Some(("sec-fetch-site", "same-origin")))
            .await
            .status(),
        201
    );
    server.stop().await;
}

#[tokio::test]
async fn a_key_is_shown_once_has_its_scopes_and_is_worth_nothing_once_revoked() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let admin = key(&mut db, "admin", Scope::Admin);
    let create = |body: Value| {
        let request = server
            .ask(Method::POST, "/v1/keys")
            .bearer_auth(&admin)
            .json(&body);
        async move { request.send().await.unwrap() }
    };
    let wanted = json!({ "name": "ci", "scopes": ["read"], "expires_in_s": 3600 });
    let made: Value = create(wanted.clone()).await.json().await.unwrap();
    let ci = made["key"].as_str().unwrap();
    assert!(ci.starts_with("thaw_"));
    let (status, code, _) = error_of(create(wanted).await).await;
    assert_eq!((status, code.as_str()), (409, "key_name_taken"));
    for bad in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["root"] }),
        json!({ "name": "x", "scopes": ["read"], "expires_in_s": 0 }),
        json!({ "name": "x", "scopes": ["read"], "expires_in_s": u64::MAX }),
    ] {
        assert_eq!(create(bad.clone()).await.status(), 422, "{bad}");
    }
    assert_eq!(server.get("/v1/vms", ci).await, 200);
    let answer = server.ask(Method::GET, "/v1/keys").bearer_auth(ci);
    let (status, code, hint) = error_of(answer.send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (403, "forbidden"));
    assert!(hint.contains("--scope admin"), "{hint}");

    let answer = server.ask(Method::GET, "/v1/keys").bearer_auth(&admin);
    let list = answer.send().await.unwrap().text().await.unwrap();
    assert!(list.contains("\"ci\"") && !list.contains(ci) && !list.contains("hash"));
    let revoke = || {
        server
            .ask(Method::DELETE, "/v1/keys/ci")
            .bearer_auth(&admin)
            .send()
    };
    assert_eq!(revoke().await.unwrap().status(), 204);
    assert_eq!(revoke().await.unwrap().status(), 404);
    assert_eq!(server.get("/v1/vms", ci).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn the_eleventh_login_in_a_minute_waits_and_keys_go_on_working() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let admin = key(&mut db, "admin", Scope::Admin);
    for _ in 0..10 {
        assert_eq!(server.login("wrong password").await.status(), 401);
    }
    let answer = server.login(PASSWORD).await;
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(server.get("/v1/vms", &admin).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn bandsox_s_keys_and_password_go_on_working_and_the_password_gets_a_better_hash() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let sha256 = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let (old_key, old_password) = (format!("bsx_{}", "7f".repeat(32)), "pw");
    let file = json!({
        "admin_password_hash": sha256(old_password),
        "session_secret": "00",
        "api_keys": [{ "id": "bsx_k_01234567", "name": "old", "key_hash": sha256(&old_key),
                       "created_at": 1.5, "last_used_at": null }],
    });
    let old = BandsoxAuth::parse(&file.to_string()).unwrap();
    let mut db = ApiDb::open(root.path()).unwrap();
    db.set_password(&old.password.unwrap()).unwrap();
    assert!(db.import_key(&old.keys[0]).unwrap());
    assert_eq!(server.get("/v1/keys", &old_key).await, 200);

    assert_eq!(server.login("PW").await.status(), 401);
    let holds_old_hash = || {
        let files = root.path().read_dir().unwrap().map(Result::unwrap);
        let mut ours = files.filter(|file| file.file_name().to_str().unwrap() == "api.db");
        let hash = sha256(old_password).into_bytes();
        let bytes = std::fs::read(ours.next().unwrap().path()).unwrap();
        bytes.windows(hash.len()).any(|bytes| bytes == hash)
    };
    db.checkpoint().unwrap();
    assert!(holds_old_hash());
    assert_eq!(server.login(old_password).await.status(), 200);
    assert!(!holds_old_hash(), "the unsalted hash is gone from the disk");
    assert_eq!(server.login(old_password).await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn scripts_of_packages_and_dockerfiles_run_for_admins_only() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let manage = key(&mut db, "manage", Scope::Manage);
    let add = |path: &str| server.ask(Method::POST, path).bearer_auth(&manage);
    let debian = add("/v1/images").json(&json!({ "source": "debian:bookworm+evil" }));
    let form = reqwest::multipart::Form::new()
        .text("kind", "dockerfile")
        .text("file", "FROM x");
    for request in [
        debian,
        add("/v1/images?kind=dockerfile")
            .header("content-type", "application/octet-stream")
            .body("FROM x"),
        add("/v1/images").multipart(form),
    ] {
        let (status, code, _) = error_of(request.send().await.unwrap()).await;
        assert_eq!((status, code.as_str()), (403, "forbidden"));
    }
    // Nor in passing, whoever asks and where.
    let image = "debian:bookworm+evil";
    let admin = key(&mut db, "admin", Scope::Admin);
    let exec = json!({ "image": image, "argv": ["true"] });
    for (path, body) in [
        ("/v1/exec", exec),
        ("/v1/templates", json!({ "image": image })),
        ("/v1/vms", json!({ "image": image })),
        ("/api/vms", json!({ "image": image, "name": "a" })),
    ] {
        let request = server.ask(Method::POST, path).bearer_auth(&admin);
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{path}");
        let said = answer.text().await.unwrap();
        assert!(said.contains("not an image reference"), "{path}: {said}");
    }
    let upload = add("/v1/images?kind=rootfs")
        .header("content-type", "application/octet-stream")
        .body("no tar");
    let (status, code, _) = error_of(upload.send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (422, "image_invalid"));
    server.stop().await;
}

#[tokio::test]
async fn a_service_that_others_can_reach_serves_nothing_while_authentication_is_off() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), true).await;
    assert_eq!(server.get("/v1/vms", "anything").await, 403);
    assert_eq!(server.get("/healthz", "anything").await, 200);
    let mut db = set_password(&root);
    let admin = key(&mut db, "admin", Scope::Admin);
    assert_eq!(server.get("/v1/vms", &admin).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_and_holds_no_secret() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let admin = key(&mut db, "ops", Scope::Admin);
    let read = key(&mut db, "viewer", Scope::Read);
    server.login("wrong password").await;
    let body = json!({ "name": "ci", "scopes": ["read"] });
    let create = server
        .ask(Method::POST, "/v1/keys")
        .bearer_auth(&admin)
        .json(&body);
    create.header("x-request-id", "id-1").send().await.unwrap();
    server
        .ask(Method::DELETE, "/v1/vms/x?token=s3cret")
        .bearer_auth(&read)
        .send()
        .await
        .unwrap();
    let request = server
        .ask(Method::GET, "/v1/audit?limit=3")
        .bearer_auth(&admin);
    let text = request.send().await.unwrap().text().await.unwrap();
    for secret in [PASSWORD, "wrong password", &admin, &read, "s3cret"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let page: Value = serde_json::from_str(&text).unwrap();
    let entries = page["entries"].as_array().unwrap();
    let row = |index: usize| {
        let entry = &entries[index];
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        (
            text("who"),
            text("action"),
            entry["status"].as_u64().unwrap(),
            text("address"),
        )
    };
    let (who, action, status, address) = row(0);
    assert!(who.starts_with("key \"viewer\""), "{who}");
    assert_eq!((action.as_str(), status), ("DELETE /v1/vms/{id}", 403));
    assert_eq!(address, "127.0.0.1");
    let (who, action, status, _) = row(1);
    assert!(who.starts_with("key \"ops\""), "{who}");
    assert_eq!((action.as_str(), status), ("POST /v1/keys", 201));
    assert!(
        entries[1]["target"]
            .as_str()
            .unwrap()
            .starts_with("ci (key-")
    );
    assert_eq!(entries[1]["request_id"], "id-1");
    let (who, action, status, _) = row(2);
    assert_eq!(
        (who.as_str(), action.as_str(), status),
        ("unknown", "POST /v1/login", 401)
    );
    let next = page["next_before"].as_u64().unwrap();
    assert_eq!(next, entries[2]["seq"].as_u64().unwrap());
    assert_eq!(server.get("/v1/audit", &read).await, 403);
    assert_eq!(server.get("/v1/audit?limit=0", &admin).await, 422);
    server.stop().await;
}

#[tokio::test]
async fn logins_and_logouts_on_bandsox_s_surface_are_in_the_audit_log_too() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let admin = key(&mut db, "ops", Scope::Admin);
    let login = |password: &str| {
        let request = server.ask(Method::POST, "/api/auth/login");
        request.json(&json!({ "password": password })).send()
    };
    assert_eq!(login("wrong password").await.unwrap().status(), 401);
    let session: Value = login(PASSWORD).await.unwrap().json().await.unwrap();
    let cookie = format!("bandsox_session={}", session["token"].as_str().unwrap());
    let logout = server.ask(Method::POST, "/api/auth/logout");
    let logout = logout.header("cookie", cookie).send().await.unwrap();
    assert_eq!(logout.status(), 200);
    let request = server
        .ask(Method::GET, "/v1/audit?limit=3")
        .bearer_auth(&admin);
    let page: Value = request.send().await.unwrap().json().await.unwrap();
    let entries = page["entries"].as_array().unwrap().iter().rev();
    let entries: Vec<_> = entries
        .map(|entry| (&entry["who"], &entry["action"], &entry["status"]))
        .map(|(who, action, status)| json!([who, action, status]))
        .collect();
    assert_eq!(
        entries,
        [
            json!(["unknown", "POST /api/auth/login", 401]),
            json!(["the admin", "POST /api/auth/login", 200]),
            json!(["the admin's session", "POST /api/auth/logout", 200]),
        ]
    );
    server.stop().await;
}
