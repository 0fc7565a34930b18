//! `/v1/events`: what happens to VMs and snapshots.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::stream;
use thaw_api_types::{EventsQuery, MissedEvents};
use thaw_runner::{Subscription, Told};

use crate::{body::Parameters, convert, state::App, work::event};

/// Follow what happens to VMs and snapshots
///
/// Server-sent events whose names are those of `LifecycleKind`, such as `vm.created`; data: `LifecycleEvent`.
/// A reader that comes back with `Last-Event-ID` is told what it missed, as far as it is kept (the last 1024
/// events of this daemon). One that is too slow, or comes back from an earlier daemon, gets `missed` (data:
/// `MissedEvents`) and should list what there is now. The stream ends when the daemon stops.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that was read"),
    ),
    responses((status = 200, description = "The events", body = String, content_type = "text/event-stream")),
)]
pub(crate) async fn follow(
    State(app): State<App>,
    headers: HeaderMap,
    Parameters(query): Parameters<EventsQuery>,
) -> Response {
    let last = headers.get("last-event-id");
    let after = last.and_then(|last| last.to_str().ok()?.parse().ok());
    let subscription = app.runner.follow_events(after);
    let events = stream::unfold(subscription, move |mut subscription| {
        let wanted = query.id.clone();
        async move {
            let event = next(&mut subscription, wanted.as_deref()).await?;
            Some((Ok::<_, Infallible>(event), subscription))
        }
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

async fn next(subscription: &mut Subscription, wanted: Option<&str>) -> Option<Event> {
    loop {
        match subscription.next().await? {
            Told::Missed(count) => return Some(event("missed", &MissedEvents { count })),
            Told::Event(told) if wanted.is_none_or(|wanted| wanted == told.id) => {
                let number = told.number.to_string();
                let told = convert::lifecycle_event(&told);
                return Some(event(told.kind.as_str(), &told).id(number));
            }
            Told::Event(_) => {}
        }
    }
}
