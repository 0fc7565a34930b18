//! Snapshots.

use reqwest::Method;

use super::{Client, ClientError, admin::in_path};
use crate::{ChangeSnapshotRequest, SnapshotInfo, SnapshotList, SnapshotListQuery};

impl Client {
    /// Lists one page of the snapshots that a query wants.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn snapshots_page(
        &self,
        query: &SnapshotListQuery,
    ) -> Result<SnapshotList, ClientError> {
        self.get_with("/v1/snapshots", query).await
    }

    /// Lists all snapshots that a query wants, page by page; its own cursor is where it begins.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn snapshots(&self, query: &SnapshotListQuery) -> Result<SnapshotList, ClientError> {
        let (mut query, mut all) = (query.clone(), SnapshotList::default());
        loop {
            let page = self.snapshots_page(&query).await?;
            all.snapshots.extend(page.snapshots);
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Finds a snapshot by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn snapshot(&self, id_or_name: &str) -> Result<SnapshotInfo, ClientError> {
        self.get(&path(id_or_name)).await
    }

    /// Changes a snapshot's name or metadata.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_snapshot(
        &self,
        id_or_name: &str,
        change: &ChangeSnapshotRequest,
    ) -> Result<SnapshotInfo, ClientError> {
        self.send_json(Method::PATCH, &path(id_or_name), change)
            .await
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_snapshot(&self, id_or_name: &str) -> Result<(), ClientError> {
        self.delete(&path(id_or_name)).await
    }
}

fn path(id_or_name: &str) -> String {
    format!("/v1/snapshots/{}", in_path(id_or_name))
}
