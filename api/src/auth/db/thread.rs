//! The thread that owns the database while the daemon runs.

use std::{
    io,
    sync::Mutex,
    thread::{self, JoinHandle},
};

use thaw_runner::node::try_to_reserve_room;
use tokio::sync::{mpsc, oneshot};

use super::{ApiDb, ApiDbError};

/// Calls that wait for the thread; whoever comes then waits for a place.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut ApiDb) + Send>;

/// The way to the thread. When it is dropped, what waits is done and the thread ends.
#[derive(Debug)]
pub(crate) struct Db {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Db {
    /// Hands the database to a thread of its own.
    pub(crate) fn start(mut db: ApiDb) -> io::Result<Self> {
        try_to_reserve_room(&db.connection, "api.db");
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let thread = thread::Builder::new()
            .name("api-db".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut db);
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Does something with the database and returns what came of it.
    ///
    /// # Cancel safety
    /// Dropped before the job has a place, it is not done; afterwards it is.
    pub(crate) async fn call<T, E>(
        &self,
        job: impl FnOnce(&mut ApiDb) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ApiDbError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        // Whoever asked may have gone.
        let job = move |db: &mut ApiDb| drop(answer.send(job(db)));
        self.post(job).await?;
        result.await.map_err(|_| ApiDbError::Closed)?
    }

    /// Has something done with the database and does not wait for it.
    pub(crate) async fn post(
        &self,
        job: impl FnOnce(&mut ApiDb) + Send + 'static,
    ) -> Result<(), ApiDbError> {
        let jobs = self.jobs.as_ref().ok_or(ApiDbError::Closed)?;
        jobs.send(Box::new(job))
            .await
            .map_err(|_| ApiDbError::Closed)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.get_mut().ok().and_then(Option::take);
        // What waits is a few rows.
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread of api.db panicked");
        }
    }
}
