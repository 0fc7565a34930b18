//! A real registry on loopback (Debian's docker-registry).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use thaw_image::Digest;

use crate::support::http::{free_port, request};
use crate::support::process::Server;

/// `thaw:secret`, for htpasswd (bcrypt) and for the header.
const HTPASSWD: &str = "@HTPASSWD@";
const BASIC: &str = "Authorization: Basic dGhhdzpzZWNyZXQ=\r\n";

/// Runs until it is dropped.
pub struct Registry {
    pub port: u16,
    folder: TempDir,
    headers: &'static str,
    _server: Server,
}

impl Registry {
    pub fn open_to_all() -> Self {
        Self::start("", "")
    }

    pub fn with_password() -> Self {
        Self::start("auth:\n  htpasswd:\n    realm: test\n    path: @DIR@/htpasswd\n", BASIC)
    }

    fn start(auth: &str, headers: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let port = free_port();
        let auth = auth.replace("@DIR@", dir);
        let config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {dir}/data\nhttp:\n  addr: 127.0.0.1:{port}\n{auth}"
        );
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = folder.path().join("log");
        let arguments = ["serve".to_owned(), format!("{dir}/config.yml")];
        let mut server = Server::start("docker-registry", &arguments, &log);
        let deadline = Instant::now() + Duration::from_secs(20);
        while request(port, "GET", "/v2/", headers, b"").map_or(0, |a| a.status) != 200 {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!server.has_ended() && Instant::now() < deadline, "no registry: {log}");
            std::thread::yield_now();
        }
        Self {
            port,
            folder,
            headers,
            _server: server,
        }
    }

    /// How the image `name` is referred to.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    pub fn push_blob(&self, name: &str, blob: &[u8]) {
        let start = request(self.port, "POST", &format!("/v2/{name}/blobs/uploads/"), self.headers, b"").unwrap();
        let location = start.header("Location").unwrap().to_owned();
        let path = location.split_once("/v2/").unwrap().1;
        let path = format!("/v2/{path}&digest={}", Digest::of(blob));
        let headers = format!("{}Content-Type: application/octet-stream\r\n", self.headers);
        let put = request(self.port, "PUT", &path, &headers, blob).unwrap();
        assert_eq!(put.status, 201, "{}", put.headers);
    }

    pub fn push_manifest(&self, name: &str, tag: &str, manifest: &[u8]) {
        let document: Value = serde_json::from_slice(manifest).unwrap();
        let kind = document["mediaType"].as_str().unwrap();
        let headers = format!("{}Content-Type: {kind}\r\n", self.headers);
        let path = format!("/v2/{name}/manifests/{tag}");
        let put = request(self.port, "PUT", &path, &headers, manifest).unwrap();
        assert_eq!(put.status, 201, "{}", put.headers);
    }

    /// Where the registry keeps a blob.
    pub fn blob_path(&self, blob: &[u8]) -> PathBuf {
        let hex = Digest::of(blob).hex();
        let data = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        data.join(&hex[..2]).join(&hex).join("data")
    }
}
