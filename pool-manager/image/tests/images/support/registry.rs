//! A real registry on loopback (Debian's docker-registry).

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use thaw_image::Digest;

use crate::support::http::request;
use crate::support::process::Server;

/// `thaw` with the password `secret`, as `htpasswd -nbB` writes it, and as the header says it.
const HTPASSWD: &str = "thaw:$2y$05$wjw.QKIR3HI.V9vkiQHikuxQTmQzxzq6bUHCxDoXI8mKGpvkVDYC6\n";
const BASIC: &str = "Authorization: Basic dGhhdzpzZWNyZXQ=\r\n";

/// Runs until it is dropped.
pub(crate) struct Registry {
    pub(crate) port: u16,
    folder: TempDir,
    headers: &'static str,
    _server: Server,
}

impl Registry {
    pub(crate) fn open_to_all() -> Self {
        Self::start("", "")
    }

    pub(crate) fn with_password() -> Self {
        Self::start(
            "auth:\n  htpasswd:\n    realm: test\n    path: @DIR@/htpasswd\n",
            BASIC,
        )
    }

    fn start(auth: &str, headers: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let auth = auth.replace("@DIR@", dir);
        let config = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {dir}/data\nhttp:\n  addr: 127.0.0.1:0\n{auth}"
        );
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let arguments = ["serve".to_owned(), format!("{dir}/config.yml")];
        let server = Server::start("docker-registry", &arguments, &[]);
        let rest = server.wait_for("listening on 127.0.0.1:");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Self {
            port: digits.parse().unwrap(),
            folder,
            headers,
            _server: server,
        }
    }

    /// How the image `name` is referred to.
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Pushes an image's blobs, then its manifest under `tag`.
    pub(crate) fn push(&self, name: &str, tag: &str, (manifest, blobs): &(Vec<u8>, Vec<Vec<u8>>)) {
        for blob in blobs {
            self.push_blob(name, blob);
        }
        self.push_manifest(name, tag, manifest);
    }

    pub(crate) fn push_manifest(&self, name: &str, tag: &str, manifest: &[u8]) {
        let document: Value = serde_json::from_slice(manifest).unwrap();
        let kind = document["mediaType"].as_str().unwrap();
        let headers = format!("{}Content-Type: {kind}\r\n", self.headers);
        let path = format!("/v2/{name}/manifests/{tag}");
        let put = request(self.port, "PUT", &path, &headers, manifest).unwrap();
        assert_eq!(put.status, 201, "{}", put.headers);
    }

    /// Where the registry keeps a blob.
    pub(crate) fn blob_path(&self, blob: &[u8]) -> PathBuf {
        let hex = Digest::of(blob).hex();
        let data = self
            .folder
            .path()
            .join("data/docker/registry/v2/blobs/sha256");
        data.join(&hex[..2]).join(&hex).join("data")
    }

    fn push_blob(&self, name: &str, blob: &[u8]) {
        let path = format!("/v2/{name}/blobs/uploads/");
        let start = request(self.port, "POST", &path, self.headers, b"").unwrap();
        let location = start.header("Location").unwrap().to_owned();
        let path = location.split_once("/v2/").unwrap().1;
        let path = format!("/v2/{path}&digest={}", Digest::of(blob));
        let headers = format!("{}Content-Type: application/octet-stream\r\n", self.headers);
        let put = request(self.port, "PUT", &path, &headers, blob).unwrap();
        assert_eq!(put.status, 201, "{}", put.headers);
    }
}
