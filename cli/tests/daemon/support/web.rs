//! A web server on loopback that serves a folder.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

const SERVER: &str = "
import http.server, ssl, sys
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// What `openssl req` is told of the certificate.
const CERTIFICATE: &str = "
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = a test
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
";

/// Ended when dropped.
pub(crate) struct WebServer {
    process: Child,
    /// Whoever prints needs a reader.
    _output: BufReader<ChildStdout>,
    url: String,
}

impl WebServer {
    /// Serves a folder over HTTP.
    pub(crate) fn plain(folder: &Path) -> Self {
        Self::serve(folder, "http", None)
    }

    /// Serves a folder over TLS; the certificate, which nobody trusts by itself, is put into `place`.
    pub(crate) fn tls(folder: &Path, place: &Path) -> (Self, PathBuf) {
        let (config, file) = (place.join("openssl.cnf"), place.join("server.pem"));
        std::fs::write(&config, CERTIFICATE).unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .arg("-config")
            .arg(&config)
            .arg("-keyout")
            .arg(&file)
            .arg("-out")
            .arg(place.join("certificate.pem"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", super::text(&made.stderr));
        let certificate = place.join("certificate.pem");
        let mut both = std::fs::read(&file).unwrap();
        both.extend(std::fs::read(&certificate).unwrap());
        std::fs::write(&file, both).unwrap();
        (Self::serve(folder, "https", Some(&file)), certificate)
    }

    fn serve(folder: &Path, scheme: &str, certificate: Option<&Path>) -> Self {
        let mut process = Command::new("/usr/bin/python3")
            .args(["-c", SERVER])
            .args(certificate)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        let url = format!("{scheme}://127.0.0.1:{}", port.trim());
        Self {
            process,
            _output: output,
            url,
        }
    }

    /// The URL of one of its files.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
