//! Following what happens.

use reqwest::{Method, header};

use super::{
    Client, ClientError,
    exec::{EventStream, read},
};
use crate::{EventsQuery, LifecycleEvent, MissedEvents};

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something happened.
    Event(LifecycleEvent),
    /// Events are lost: list what there is now.
    Missed(MissedEvents),
}

/// What happens to VMs and snapshots, as it happens. Dropping it hangs up.
#[derive(Debug)]
pub struct Followed(EventStream);

impl Client {
    /// Follows what happens to VMs and snapshots from now on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_events(&self, query: &EventsQuery) -> Result<Followed, ClientError> {
        let request = self
            .request(Method::GET, "/v1/events")
            .query(query)
            .header(header::ACCEPT, "text/event-stream");
        Ok(Followed(EventStream::new(self.answer(request).await?)))
    }
}

impl Followed {
    /// Waits for what is told next.
    ///
    /// # Errors
    /// [`ClientError::CutOff`] when the server hangs up, which it does when it stops.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        let event = self.0.next().await?;
        Ok(match event.event.as_str() {
            "missed" => Told::Missed(read(&event)?),
            _ => Told::Event(read(&event)?),
        })
    }
}
