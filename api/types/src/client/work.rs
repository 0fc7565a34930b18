//! Long work that reports how far it is.

use std::marker::PhantomData;

use reqwest::{RequestBuilder, header};
use serde::de::DeserializeOwned;

use super::{
    Client, ClientError,
    exec::{EventStream, read},
};
use crate::{ErrorBody, ProgressEvent};

/// One step of long work.
#[derive(Debug)]
pub enum Step<T> {
    /// It goes on.
    Progress(ProgressEvent),
    /// It is done.
    Done(T),
}

/// Long work on the server. Dropping it hangs up.
#[derive(Debug)]
pub struct Work<T> {
    events: EventStream,
    result: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Work<T> {
    /// Waits for the next step; after [`Step::Done`] and after an error there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Step<T>, ClientError> {
        loop {
            let event = self.events.next().await?;
            return match event.event.as_str() {
                "progress" => Ok(Step::Progress(read(&event)?)),
                "done" => Ok(Step::Done(read(&event)?)),
                "error" => Err(read::<ErrorBody>(&event)?.into()),
                _ => continue,
            };
        }
    }

    /// Waits for the end and shows each step on the way.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn finish(mut self, mut show: impl FnMut(&ProgressEvent)) -> Result<T, ClientError> {
        loop {
            match self.next().await? {
                Step::Progress(progress) => show(&progress),
                Step::Done(result) => return Ok(result),
            }
        }
    }
}

impl Client {
    pub(super) async fn work<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Work<T>, ClientError> {
        let request = request.header(header::ACCEPT, "text/event-stream");
        let response = self.answer(request).await?;
        Ok(Work {
            events: EventStream::new(response),
            result: PhantomData,
        })
    }
}
