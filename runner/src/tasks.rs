//! Work that goes on when whoever asked for it has left.

use std::future::Future;

use tokio::sync::oneshot;

use crate::{Runner, error::Ended};

impl Runner {
    /// Does something to its end.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped; [`Runner::shut_down`] waits for it.
    pub(crate) async fn finish<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Ended> + Send + 'static,
    {
        self.tasks().spawn(work).await.unwrap_or(Err(Ended.into()))
    }

    /// Does something to its end, and undoes it when nobody waits for it any more.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped, and is undone.
    pub(crate) async fn finish_or_undo<T, E, U>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
        undo: impl FnOnce(Self, T) -> U + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Ended> + Send + 'static,
        U: Future<Output = ()> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let runner = self.clone();
        self.tasks().spawn(async move {
            if let Err(Ok(unheard)) = answer.send(work.await) {
                undo(runner, unheard).await;
            }
        });
        answered.await.unwrap_or(Err(Ended.into()))
    }
}
