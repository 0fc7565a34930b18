//! Tests of WebSockets, whose clients can't all send headers.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, WebSocketUpgrade, ws::Message},
    middleware,
    response::Response,
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::StreamExt as _;
use thaw_api_types::Scope;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Error, Message as Received, client::IntoClientRequest as _, http::HeaderValue,
        protocol::frame::coding::CloseCode,
    },
};

use super::{
    ApiDb, Identity, NewKey, StoredPassword,
    enforce::{Guard, enforce},
    table::{Access, Row, Rows},
};
use crate::testing::World;

/// Says who it talks to and by which address it was reached.
async fn socket(
    Extension(identity): Extension<Identity>,
    upgrade: WebSocketUpgrade,
    request: Request,
) -> Response {
    let uri = request.uri().to_string();
    let said = format!("{} {uri}", identity.label());
    upgrade
        .protocols(["bandsox.terminal"])
        .on_upgrade(async move |mut socket| {
            socket.send(Message::Text(said.into())).await.unwrap();
        })
}

/// A service with a WebSocket that needs `invoke`, and a key with that scope.
async fn served(world: &World, path: &'static str, serving: &mut JoinSet<()>) -> (String, String) {
    let row = Row {
        method: "GET",
        path,
        access: Access::Needs(Scope::Invoke),
    };
    let guard = Guard {
        app: world.app.clone(),
        path,
        rows: Rows::from(vec![row]),
    };
    let guarded = get(socket).layer(middleware::from_fn_with_state(Arc::new(guard), enforce));
    let router = Router::new()
        .route(path, guarded)
        .with_state(world.app.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut db = ApiDb::open(world.folder.path()).unwrap();
    db.set_password(&StoredPassword::new("correct horse").unwrap())
        .unwrap();
    let new = NewKey {
        name: "runner".to_owned(),
        scopes: vec![Scope::Invoke],
        expires_at: None,
    };
    let (key, _) = db.create_key(&new, 0).unwrap();
    (format!("ws://{address}{path}"), key.expose().to_owned())
}

#[tokio::test]
async fn a_websocket_is_opened_for_a_key_in_its_query_which_its_route_does_not_see() {
    let world = World::new().await;
    let mut serving = JoinSet::new();
    let (url, key) = served(&world, "/v1/socket", &mut serving).await;
    let (mut socket, _) = connect_async(format!("{url}?cols=80&token={key}"))
        .await
        .unwrap();
    let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(said.starts_with("key \"runner\""), "{said}");
    assert!(said.ends_with("/v1/socket?cols=80"), "{said}");
    for url in [url.clone(), format!("{url}?token=thaw_00")] {
        let refused = connect_async(url).await.unwrap_err();
        assert!(matches!(refused, Error::Http(answer) if answer.status() == 401));
    }
}

#[tokio::test]
async fn a_subprotocol_carries_a_key_and_bandsox_s_clients_are_told_by_a_close_code() {
    let world = World::new().await;
    let mut serving = JoinSet::new();
    let (url, key) = served(&world, "/api/vms/x/terminal", &mut serving).await;
    let offer = |credential: &str| {
        let mut request = url.clone().into_client_request().unwrap();
        let coded = URL_SAFE_NO_PAD.encode(credential);
        let value = format!("bandsox.terminal, bandsox.auth.{coded}");
        let value = HeaderValue::try_from(value).unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", value);
        request
    };
    let (mut socket, answer) = connect_async(offer(&key)).await.unwrap();
    assert_eq!(
        answer.headers()["sec-websocket-protocol"],
        "bandsox.terminal"
    );
    let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(said.starts_with("key \"runner\""), "{said}");

    let (mut socket, answer) = connect_async(offer("bsx_unknown")).await.unwrap();
    assert_eq!(
        answer.headers()["sec-websocket-protocol"],
        "bandsox.terminal"
    );
    let Received::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
        panic!("the socket was to be closed");
    };
    assert_eq!(frame.code, CloseCode::from(4001));
    assert_eq!(frame.reason.as_str(), "Unauthorized");
}
