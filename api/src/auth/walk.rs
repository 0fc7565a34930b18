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

use thaw_api_types::Scope;

use super::{
    ApiDb, NewKey, Routes, StoredPassword,
    table::{Access, EVERY, Row, Rows, TABLE},
};
use crate::{functions::is_aws_path, router::routes, state::App, testing::World};

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
            if method == "HEAD" && !rows.knows_head() {
                continue;
            }
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

/// The service's routes behind their guard, with nothing behind the guard.
fn guarded(app: &App) -> Router {
    let parts = routes().into_parts().into_iter();
    parts
        .fold(Routes::default(), |routes, (path, methods)| {
            routes.route(path, methods.layer(middleware::from_fn(answered)))
        })
        .into_router(app)
        .with_state(app.clone())
}

/// A path that a pattern matches.
fn path_of(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| match part.starts_with('{') {
        true => "x",
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn expected(row: &Row, scope: Option<Scope>) -> StatusCode {
    match (row.access, scope) {
        (Access::Open, _) | (Access::Known, Some(_)) => StatusCode::NO_CONTENT,
        // AWS has no 401: who is unknown there is told so with 403.
        (_, None) if is_aws_path(row.path) => StatusCode::FORBIDDEN,
        (_, None) => StatusCode::UNAUTHORIZED,
        (Access::Needs(wanted), Some(scope)) => match scope.implies(wanted) {
            true => StatusCode::NO_CONTENT,
            false => StatusCode::FORBIDDEN,
        },
    }
}

async fn ask(router: &Router, row: &Row, authorization: Option<&str>) -> StatusCode {
    let method = if row.method == EVERY {
        "PATCH"
    } else {
        row.method
    };
    let mut request = axum::http::Request::builder()
        .method(method)
        .uri(path_of(row.path));
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn every_route_is_for_those_who_have_its_scope_and_nobody_else() {
    let world = World::new().await;
    let router = guarded(&world.app);
    for row in TABLE {
        let answer = ask(&router, row, None).await;
        assert_eq!(answer, StatusCode::NO_CONTENT, "{row:?} while it is off");
    }
    let mut db = ApiDb::open(world.folder.path()).unwrap();
    db.set_password(&StoredPassword::new("correct horse").unwrap())
        .unwrap();
    let keys = Scope::ALL.map(|scope| {
        let new = NewKey {
            name: scope.to_string(),
            scopes: vec![scope],
            expires_at: None,
        };
        let (key, _) = db.create_key(&new, 0).unwrap();
        (scope, format!("Bearer {}", key.expose()))
    });
    for row in TABLE {
        assert_eq!(
            ask(&router, row, None).await,
            expected(row, None),
            "{row:?}"
        );
        let wrong = ask(&router, row, Some("Bearer thaw_00")).await;
        assert_eq!(wrong, expected(row, None), "{row:?} with a wrong key");
        for (scope, key) in &keys {
            let answer = ask(&router, row, Some(key)).await;
            assert_eq!(answer, expected(row, Some(*scope)), "{row:?} with {scope}");
        }
    }
}

#[tokio::test]
async fn a_route_without_a_row_is_refused_whoever_asks() {
    let world = World::new().await;
    let router = Routes::default()
        .route("/v1/forgotten", any(|| async {}))
        .route("/v1/pools", any(|| async {}))
        .into_router(&world.app)
        .with_state(world.app.clone());
    let ask = |method: &str, path: &str| {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap().status() }
    };
    assert_eq!(ask("GET", "/v1/forgotten").await, StatusCode::FORBIDDEN);
    assert_eq!(
        ask("DELETE", "/v1/pools").await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(ask("GET", "/v1/pools").await, StatusCode::OK);
}
