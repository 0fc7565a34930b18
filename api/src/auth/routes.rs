//! Routes, each behind its rows of the [table](super::table).
//!
//! ```text
//! Routes::route(path, methods) … ─► into_router: methods.layer(enforce with the rows of that path)
//! ```
//!
//! Routes are collected here and not in axum's router, which can't be asked what it holds: so nothing gets
//! into the service past [`enforce`](super::enforce), and a test can walk all of it.

use std::sync::Arc;

use axum::{Router, middleware, routing::MethodRouter};

use super::{
    enforce::{Guard, enforce},
    table::Rows,
};
use crate::state::App;

/// Every route of the service, not yet guarded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Vec<(&'static str, MethodRouter<App>)>);

impl Routes {
    /// Adds a route; its methods need rows in the table.
    pub(crate) fn route(mut self, path: &'static str, methods: MethodRouter<App>) -> Self {
        self.0.push((path, methods));
        self
    }

    /// The router, every route behind the table.
    pub(crate) fn into_router(self, app: &App) -> Router<App> {
        let mut router = Router::new();
        for (path, methods) in self.0 {
            let guard = Guard {
                app: app.clone(),
                path,
                rows: Rows::of(path),
            };
            // `layer` and not `route_layer`: the latter leaves out what answers to any method.
            let guarded = methods.layer(middleware::from_fn_with_state(Arc::new(guard), enforce));
            router = router.route(path, guarded);
        }
        router
    }

    #[cfg(test)]
    pub(crate) fn into_parts(self) -> Vec<(&'static str, MethodRouter<App>)> {
        self.0
    }
}
