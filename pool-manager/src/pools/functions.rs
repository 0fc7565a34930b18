//! Pools of functions: their templates are baked when they are deployed, and found by id afterwards.

use std::sync::Arc;

use thaw_image::ProgressSink;

use super::{Pools, check_shape};
use crate::{
    BakeFunction, LeaseError,
    function_bake::{FunctionPart, digest},
    pool::Pool,
};

impl Pools {
    /// The pool of a function, with its template baked where it is missing.
    ///
    /// # Cancel safety
    /// The bake goes on, and the next caller profits.
    pub(crate) async fn find_or_bake_function(
        self: &Arc<Self>,
        wanted: BakeFunction,
        progress: &ProgressSink,
    ) -> Result<Arc<Pool>, LeaseError> {
        if self.stop.is_cancelled() {
            return Err(LeaseError::ShuttingDown);
        }
        check_shape(wanted.shape)?;
        let image = self.image(&wanted.image, progress).await?;
        let mut key = self.key(&image, wanted.shape);
        let digest = digest(&wanted.spec, &wanted.code_digest);
        key.function = Some(digest.map_err(|error| LeaseError::Bake(Arc::new(error)))?);
        let id = key.id();
        if let Some(pool) = self.usable(&id) {
            return Ok(pool);
        }
        let part = FunctionPart {
            spec: wanted.spec,
            code: wanted.code,
        };
        let work = |pools: Arc<Self>, progress| async move {
            pools.load_or_bake(key, image, Some(part), &progress).await
        };
        let (pool, _) = self.take_off(&id, work, progress).await?;
        Ok(pool)
    }
}
