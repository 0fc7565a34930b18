//! What the runner refuses.

use std::time::Duration;

use thaw_api_types::ErrorCode;
use thaw_runner::{
    RunError,
    node::{LeaseError, TemplateSelector},
};

use super::{exec, lease};
use crate::{error::ApiError, state::App};

/// When it is worth another try while an image or a template is being made.
const WHILE_MAKING: Duration = Duration::from_secs(5);
/// When it is worth another try while every place is taken.
const WHILE_FULL: Duration = Duration::from_secs(1);

/// A program that did not start. A wait that ended while the image or the template was still being made is
/// told apart from one for a clone.
pub(crate) async fn run(app: &App, wanted: &TemplateSelector, error: &RunError) -> ApiError {
    match error {
        RunError::Lease(error) => started(app, wanted, error).await,
        RunError::Exec(error) => exec(error),
        RunError::TooMany { .. } => too_many(error),
    }
}

pub(super) fn too_many(error: &dyn std::error::Error) -> ApiError {
    ApiError::of(ErrorCode::TooManyRequests, error)
        .hint("wait for others to end")
        .retry_after(WHILE_FULL)
}

pub(super) async fn started(app: &App, wanted: &TemplateSelector, error: &LeaseError) -> ApiError {
    let TemplateSelector::Image { image, shape } = wanted else {
        return lease(error);
    };
    if !matches!(error, LeaseError::TimedOut(_)) {
        return lease(error);
    }
    let node = app.runner.node();
    let images = node.images().await;
    let found = images
        .iter()
        .find(|info| info.digest.ends_with(image) || info.names.iter().any(|name| name == image));
    let Some(found) = found else {
        return ApiError::new(
            ErrorCode::ImageBuilding,
            format!("image {image:?} is still being made"),
        )
        .hint("the making goes on; POST /v1/templates shows its progress")
        .retry_after(WHILE_MAKING);
    };
    let templates = node.templates().await;
    let baked = templates
        .iter()
        .any(|template| template.image == found.digest && template.shape == *shape);
    if baked {
        return lease(error);
    }
    ApiError::new(
        ErrorCode::TemplateBaking,
        format!("the template of image {image:?} is still being baked"),
    )
    .hint("the bake goes on; POST /v1/templates shows its progress")
    .retry_after(WHILE_MAKING)
}
