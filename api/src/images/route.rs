//! Listing, making and removing images.

use axum::{
    Extension, Json,
    extract::{FromRequest as _, Path, Request, State},
    http::StatusCode,
    response::Response,
};
use thaw_api_types::{
    AddImageRequest, ErrorBody, ErrorCode, ImageInfo, ImageList, Scope, UploadKind, UploadQuery,
    limits,
};
use thaw_runner::node::{
    AddImage,
    image::{ProgressSink, RegistryAuth},
};

use super::upload::{Spooled, spool};
use crate::{
    auth::Identity,
    body::{JsonBody, Parameters, media_type, wants_events},
    convert,
    error::ApiError,
    failure,
    state::App,
    work,
};

/// List images
#[utoipa::path(
    get,
    path = "/v1/images",
    tag = "images",
    responses((status = 200, description = "Every image", body = ImageList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Json<ImageList> {
    let images = app.runner.node().images().await;
    Json(ImageList {
        images: images.into_iter().map(convert::image).collect(),
    })
}

/// Find an image
#[utoipa::path(
    get,
    path = "/v1/images/{name}",
    tag = "images",
    params(("name" = String, Path, description = "A name or digest; `/` and `:` may be percent-encoded")),
    responses(
        (status = 200, description = "The image", body = ImageInfo),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<ImageInfo>, ApiError> {
    let images = app.runner.node().images().await;
    let found = images
        .into_iter()
        .find(|image| image.digest == name || image.names.contains(&name));
    match found {
        Some(image) => Ok(Json(convert::image(image))),
        None => Err(ApiError::new(
            ErrorCode::ImageNotFound,
            format!("there is no image {name:?}"),
        )
        .hint("`thaw image ls` lists what is there, `thaw image add` makes one")),
    }
}

/// Make an image
///
/// Send JSON for what the server can reach itself, or the bytes of an archive, a root file system or a
/// Dockerfile with `?kind=`; a form with the fields `kind`, `name` and, last, `file` will do too. With
/// `Accept: text/event-stream` the work is told as events `progress` (data: `ProgressEvent`), and last `done`
/// (the JSON answer) or `error`. A caller that hangs up gives the work up.
///
/// `debian:` sources run their packages' scripts on the host, Dockerfiles their build steps in the Docker daemon's containers; both need the scope `admin`.
#[utoipa::path(
    post,
    path = "/v1/images",
    tag = "images",
    params(UploadQuery),
    request_body(content(
        (AddImageRequest = "application/json"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "The image", content(
            (ImageInfo = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn add(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Parameters(query): Parameters<UploadQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let events = wants_events(request.headers());
    let (wanted, spooled) = if media_type(request.headers()).as_deref() == Some("application/json")
    {
        let JsonBody(wanted) = JsonBody::from_request(request, &()).await?;
        (of_source(wanted)?, None)
    } else {
        let spooled = spool(&app, query, request).await?;
        let (wanted, file) = of_upload(spooled)?;
        (wanted, Some(file))
    };
    if runs_on_the_host(&wanted.source) {
        identity.require(Scope::Admin)?;
    }
    let make = move |progress: ProgressSink| async move {
        // The file lives as long as the work, however that ends.
        let _spooled = spooled;
        let made = app.runner.node().add_image(wanted, &progress).await;
        made.map(convert::image)
            .map_err(|error| failure::admin(&error))
    };
    Ok(work::answer(events, make).await)
}

/// Packages' and build steps' scripts run outside of any VM.
fn runs_on_the_host(source: &str) -> bool {
    source.starts_with("debian:") || source == UploadKind::Dockerfile.as_str()
}

fn of_source(wanted: AddImageRequest) -> Result<AddImage, ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    Ok(AddImage {
        source: wanted.source,
        upload: None,
        name: wanted.name,
        auth: wanted.auth.map(|auth| RegistryAuth {
            username: auth.username,
            password: auth.password,
        }),
    })
}

fn of_upload(spooled: Spooled) -> Result<(AddImage, tempfile::NamedTempFile), ApiError> {
    if let Some(name) = &spooled.name
        && (name.is_empty() || name.chars().count() > limits::MAX_NAME_CHARS)
    {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("name has 1 to {} characters", limits::MAX_NAME_CHARS),
        ));
    }
    let wanted = AddImage {
        source: spooled.kind.as_str().to_owned(),
        upload: Some(spooled.file.path().to_owned()),
        name: spooled.name,
        auth: None,
    };
    Ok((wanted, spooled.file))
}

/// Remove an image's name
///
/// With its last name the image goes, unless something uses it.
#[utoipa::path(
    delete,
    path = "/v1/images/{name}",
    tag = "images",
    params(("name" = String, Path, description = "A name or digest; `/` and `:` may be percent-encoded")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Something uses it", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = app.runner.node().remove_image(&name).await;
    removed.map_err(|error| failure::admin(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
