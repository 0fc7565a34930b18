//! Tests that walk every route of the service.

use std::collections::BTreeSet;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    routing::{MethodRouter, any, get},
};
use tower::ServiceExt as _;

use super::table::{EVERY, Rows, TABLE};
use crate::{router::routes, state::App, testing::World};

/// Every method that a router tells apart, and one that nobody knows.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
];

async fn answered(_: Request, _: Next) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Which methods a route knows, without running what is behind them.
async fn methods_of(app: &App, methods: MethodRouter<App>) -> BTreeSet<&'static str> {
    let router: Router = Router::new()
        .route("/", methods.layer(middleware::from_fn(answered)))
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .with_state(app.clone());
    let mut known = BTreeSet::new();
    for method in METHODS {
        let request = axum::http::Request::builder()
            .method(method)
            .body(Body::empty());
        let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
        if answer.status() == StatusCode::NO_CONTENT {
            known.insert(method);
        }
    }
    known
}

#[tokio::test]
async fn the_walk_sees_the_methods_of_a_route() {
    let world = World::new().await;
    let seen = methods_of(&world.app, get(|| async {}).put(|| async {})).await;
    assert_eq!(seen, BTreeSet::from(["GET", "HEAD", "PUT"]));
    let seen = methods_of(&world.app, any(|| async {})).await;
    assert_eq!(seen, BTreeSet::from(METHODS));
}

#[tokio::test]
async fn every_route_has_a_row_and_every_row_a_route() {
    let world = World::new().await;
    let mut routed = BTreeSet::new();
    for (path, methods) in routes().into_parts() {
        let rows = Rows::of(path);
        for method in methods_of(&world.app, methods).await {
            let listed = rows.access(&method.parse().unwrap());
            assert!(
                listed.is_some(),
                "{method} {path} has no row in api/src/auth/table.rs: who may use it?"
            );
            routed.insert((method, path));
        }
    }
    for row in TABLE {
        let is_routed = match row.method {
            EVERY => METHODS
                .iter()
                .all(|method| routed.contains(&(*method, row.path))),
            method => routed.contains(&(method, row.path)),
        };
        assert!(
            is_routed,
            "api/src/auth/table.rs lists {} {}, which is no route",
            row.method, row.path
        );
    }
}
