//! Every route of the service.

use axum::{
    Router,
    extract::{MatchedPath, Request, connect_info::IntoMakeServiceWithConnectInfo},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{any, delete, get, post, put},
};
use thaw_api_types::ErrorCode;
use thaw_runner::{Runner, functions::Functions};

use crate::{
    auth::{self, Auth, Routes, Rows},
    bandsox,
    config::ApiConfig,
    dashboard,
    error::ApiError,
    events, exec, functions, gate, health, images,
    inside::{self, execs, files, port},
    leftover,
    listen::Peer,
    observe, openapi, pools, snapshots,
    state::{App, OpenError},
    templates, vms,
};

/// The service, ready to be served.
#[derive(Debug, Clone)]
pub struct Service {
    router: Router,
    runner: Runner,
}

impl Service {
    /// Sets the service up over a runner.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        runner: Runner,
        functions: Functions,
        auth: Auth,
        config: ApiConfig,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            router: router(App::new(runner.clone(), functions, auth, config)?),
            runner,
        })
    }

    pub(crate) fn into_make_service(self) -> IntoMakeServiceWithConnectInfo<Router, Peer> {
        self.router.into_make_service_with_connect_info()
    }

    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }
}

/// Every route. Each needs its rows in the [table](crate::auth) of who may do what.
pub(crate) fn routes() -> Routes {
    bandsox::routes(Routes::default())
        .route("/v1/exec", post(exec::exec))
        .route("/v1/images", get(images::list).post(images::add))
        // Names hold slashes, so the rest of the path is one name.
        .route(
            "/v1/images/{*name}",
            get(images::find).delete(images::remove),
        )
        .route(
            "/v1/templates",
            get(templates::list).post(templates::ensure),
        )
        .route(
            "/v1/templates/{id}",
            get(templates::find).delete(templates::remove),
        )
        .route("/v1/pools", get(pools::list).put(pools::set))
        .route("/v1/vms", get(vms::list).post(vms::create))
        .route(
            "/v1/vms/{id}",
            get(vms::find).patch(vms::change).delete(vms::remove),
        )
        .route("/v1/vms/{id}/pause", post(vms::pause))
        .route("/v1/vms/{id}/resume", post(vms::resume))
        .route("/v1/vms/{id}/stop", post(vms::stop))
        .route("/v1/vms/{id}/start", post(vms::start))
        .route("/v1/vms/{id}/snapshot", post(vms::snapshot))
        .route("/v1/vms/{id}/fork", post(vms::fork))
        .route("/v1/vms/{id}/exec", post(vms::exec))
        .route("/login", get(auth::http::page))
        .route("/v1/login", post(auth::http::login))
        .route("/v1/logout", post(auth::http::logout))
        .route("/v1/session", get(auth::http::session))
        .route("/v1/keys", get(auth::http::list).post(auth::http::create))
        .route("/v1/keys/{id}", delete(auth::http::revoke))
        .route("/v1/audit", get(auth::http::audit))
        .route("/v1/snapshots", get(snapshots::list))
        .route(
            "/v1/snapshots/{id}",
            get(snapshots::find)
                .patch(snapshots::change)
                .delete(snapshots::remove),
        )
        .route("/v1/events", get(events::follow))
        .route("/v1/vms/{id}/exec/ws", get(exec::exec_socket))
        .route("/v1/vms/{id}/terminal", get(exec::terminal))
        .route("/v1/vms/{id}/files", get(files::list).delete(files::remove))
        .route(
            "/v1/vms/{id}/files/content",
            get(files::read).put(files::write),
        )
        .route(
            "/v1/vms/{id}/files/archive",
            get(files::pack).put(files::unpack),
        )
        .route("/v1/vms/{id}/files/mkdir", post(files::make_directory))
        .route("/v1/vms/{id}/files/move", post(files::move_file))
        .route("/v1/vms/{id}/execs", get(execs::list).post(execs::start))
        .route(
            "/v1/vms/{id}/execs/{exec}",
            get(execs::find).delete(execs::remove),
        )
        .route("/v1/vms/{id}/execs/{exec}/output", get(execs::output))
        .route("/v1/vms/{id}/execs/{exec}/signal", post(execs::signal))
        .route("/v1/vms/{id}/usage", get(inside::usage))
        .route("/v1/vms/{id}/logs", get(inside::logs))
        .route("/v1/vms/{id}/tcp/{port}", get(port::tunnel))
        .route("/v1/vms/{id}/ports/{port}/", any(port::proxy))
        .route("/v1/vms/{id}/ports/{port}/{*path}", any(port::proxy))
        .route(
            "/v1/functions",
            get(functions::list).post(functions::deploy),
        )
        .route(
            "/v1/functions/{name}",
            get(functions::find).delete(functions::remove),
        )
        .route("/v1/functions/{name}/versions", get(functions::versions))
        .route(
            "/v1/functions/{name}/versions/{version}",
            delete(functions::remove_version),
        )
        .route(
            "/v1/functions/{name}/aliases/{alias}",
            put(functions::put_alias).delete(functions::remove_alias),
        )
        .route(
            "/v1/functions/{name}/aliases/{alias}/rollback",
            post(functions::roll_back_alias),
        )
        .route("/v1/functions/{name}/logs", get(functions::logs))
        .route("/v1/functions/{name}/events", get(functions::events))
        .route(
            "/v1/functions/{name}/events/{id}",
            get(functions::event).delete(functions::remove_event),
        )
        .route(
            "/v1/functions/{name}/events/{id}/retry",
            post(functions::retry_event),
        )
        .route("/v1/functions/{name}/invoke", post(functions::invoke))
        .route("/v1/functions/{name}/http/", any(functions::http))
        .route("/v1/functions/{name}/http/{*path}", any(functions::http))
        .route(
            "/2015-03-31/functions/{name}/invocations",
            post(functions::aws_invoke),
        )
        .route(
            "/2021-11-15/functions/{name}/response-streaming-invocations",
            post(functions::aws_invoke_with_response_stream),
        )
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::json))
        .route("/docs", get(openapi::docs))
        .route("/", get(dashboard::lead_in))
        .route("/dashboard", get(dashboard::lead_in))
        .route("/dashboard/", get(dashboard::start))
        .route("/dashboard/{*path}", get(dashboard::file))
}

pub(crate) fn router(app: App) -> Router {
    routes()
        .into_router(&app)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), gate::check))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            observe::observe,
        ))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            leftover::clear_away,
        ))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app)
}

async fn unknown(request: Request) -> Response {
    if bandsox::is_ours(request.uri().path()) {
        return bandsox::unknown_path(request.uri());
    }
    ApiError::new(
        ErrorCode::RouteNotFound,
        format!("there is no route {}", request.uri().path()),
    )
    .hint("/docs lists the routes")
    .into_response()
}

/// The router's own list of methods has HEAD wherever GET is, known or not.
async fn wrong_method(path: MatchedPath, request: Request) -> Response {
    auth::wrong_method(&Rows::of(path.as_str()), &request)
}
