//! The one thread that has the connection.

use std::{path::Path, thread};

use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::open::{StoreError, open};

/// Jobs that wait; then whoever brings the next one waits.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The runner's database. Cheap to clone; the file is closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the file, makes it (0600) where it is missing, and brings it to this version's schema.
    ///
    /// # Errors
    /// [`StoreError::Version`] when a newer Thaw wrote it, and what the system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = open(path)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        thread::Builder::new()
            .name("runner-db".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|source| StoreError::File {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self { jobs })
    }

    /// Does a job as one transaction and answers when it is committed and synced.
    ///
    /// # Cancel safety
    /// A job that was queued is done whoever waits for it.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        attempt: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever waited may have left.
            let _ = answer.send(in_transaction(connection, attempt, job));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    attempt: &'static str,
    job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let failed = || StoreError::database(attempt);
    let transaction = connection.transaction().map_err(failed())?;
    let done = job(&transaction)?;
    transaction.commit().map_err(failed())?;
    Ok(done)
}
