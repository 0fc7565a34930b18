//! Images, templates, pools and the server itself.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

use super::{Client, ClientError, Work};
use crate::{
    AddImageRequest, EnsureTemplateRequest, Health, ImageInfo, ImageList, PoolInfo, PoolList,
    Readiness, SetPoolRequest, TemplateInfo, TemplateList,
};

/// What is escaped in one segment of a path: all but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as one segment of a path.
pub(super) fn in_path(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

impl Client {
    /// Asks whether the server answers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/healthz").await
    }

    /// Asks whether the server can run programs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn readiness(&self) -> Result<Readiness, ClientError> {
        self.get("/readyz").await
    }

    /// Lists the images.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn images(&self) -> Result<ImageList, ClientError> {
        self.get("/v1/images").await
    }

    /// Makes an image out of something that the server can reach itself.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_image(
        &self,
        request: &AddImageRequest,
    ) -> Result<Work<ImageInfo>, ClientError> {
        self.work(self.request(Method::POST, "/v1/images").json(request))
            .await
    }

    /// Takes an image's name away, and with its last name the image.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_image(&self, name_or_digest: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/images/{}", in_path(name_or_digest)))
            .await
    }

    /// Lists the templates.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn templates(&self) -> Result<TemplateList, ClientError> {
        self.get("/v1/templates").await
    }

    /// Finds a template.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn template(&self, id: &str) -> Result<TemplateInfo, ClientError> {
        self.get(&format!("/v1/templates/{}", in_path(id))).await
    }

    /// Makes sure that there is a template, making its image and baking it where it is missing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ensure_template(
        &self,
        request: &EnsureTemplateRequest,
    ) -> Result<Work<TemplateInfo>, ClientError> {
        self.work(self.request(Method::POST, "/v1/templates").json(request))
            .await
    }

    /// Removes a template that nothing uses.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_template(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/templates/{}", in_path(id))).await
    }

    /// Lists the pools.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pools(&self) -> Result<PoolList, ClientError> {
        self.get("/v1/pools").await
    }

    /// Sets a pool's bounds.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_pool(&self, request: &SetPoolRequest) -> Result<PoolInfo, ClientError> {
        self.send_json(Method::PUT, "/v1/pools", request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_slashes_and_colons_is_one_segment() {
        assert_eq!(in_path("ghcr.io/a/b:1@x"), "ghcr.io%2Fa%2Fb%3A1%40x");
    }
}
