//! A VM out of a Dockerfile, which the Docker daemon builds. Its context is empty.

use axum::{Extension, Json, extract::State, http::StatusCode};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use thaw_api_types::Scope;
use thaw_runner::node::{AddImage, image::ProgressSink};

use super::{
    error::Detail,
    extract::PostedForm,
    fields::Fields,
    vms::{Wish, make},
};
use crate::{
    auth::{AuditTarget, Identity},
    failure,
    form::Form,
    state::App,
};

/// The largest field of the form, in bytes.
const MAX_FIELD_BYTES: usize = 1 << 20;

/// Fields of the form at the most.
const MAX_FIELDS: usize = 32;

/// The largest form, in bytes.
pub(super) const MAX_FORM_BYTES: usize = MAX_FIELDS * MAX_FIELD_BYTES;

/// Builds the image and makes a VM of it.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    PostedForm(form): PostedForm,
) -> Result<(Extension<AuditTarget>, Json<Value>), Detail> {
    // Its steps run on the host, in the Docker daemon's containers.
    identity.require(Scope::Admin)?;
    let (dockerfile, texts) = take(form).await?;
    let mut fields = Fields::of_pairs("body", texts);
    if dockerfile.is_none() {
        fields.required_text("dockerfile");
    }
    let tag = fields.text("tag");
    let wish = Wish::of(&mut fields);
    fields.finish()?;
    let dockerfile = dockerfile.unwrap_or_default();
    let name = tag.unwrap_or_else(|| {
        let of = wish.name.as_deref().unwrap_or_default();
        name_of(&dockerfile, of)
    });
    let pieces = stream::iter([Ok::<_, std::convert::Infallible>(dockerfile)]);
    let file = app.spool.take(pieces).await?;
    let image = AddImage {
        source: "dockerfile".to_owned(),
        upload: Some(file.path().to_owned()),
        name: Some(name),
        auth: None,
    };
    let made = app
        .runner
        .node()
        .add_image(image, &ProgressSink::none())
        .await
        .map_err(|error| super::failure::made(failure::admin(&error)))?;
    drop(file);
    let vm = make(&app, &identity, made.digest, wish).await?;
    let made = AuditTarget::made([vm.id.as_str()]);
    let told = json!({ "id": vm.id.as_str(), "status": "created" });
    Ok((made, Json(told)))
}

/// The image's name when no tag is given: the same Dockerfile has the same one.
fn name_of(dockerfile: &[u8], vm: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hash = DefaultHasher::new();
    (dockerfile, vm).hash(&mut hash);
    format!("dockerfile-{:016x}", hash.finish())
}

type Texts = Vec<(String, String)>;

/// The form's fields; `dockerfile` apart from the others.
async fn take(mut form: Form) -> Result<(Option<Bytes>, Texts), Detail> {
    let (mut dockerfile, mut texts) = (None, Texts::new());
    while let Some(mut field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(piece) = field.chunk().await? {
            if bytes.len() + piece.len() > MAX_FIELD_BYTES || texts.len() >= MAX_FIELDS {
                return Err(Detail::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("a form has at most {MAX_FIELDS} fields of {MAX_FIELD_BYTES} bytes"),
                ));
            }
            bytes.extend_from_slice(&piece);
        }
        if name == "dockerfile" {
            dockerfile = Some(bytes.into());
        } else {
            texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok((dockerfile, texts))
}
