//! What clones of one frozen interpreter draw: keys, ids and random numbers of their own, although the
//! generators were in use before the freeze.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{Daemon, text};

/// numpy for the guest's python, which `make setup-test` installs.
const NUMPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-clients/numpy");

/// Deploys code whose handler draws, and lets two clones draw: nothing may be the same, beside the first
/// value, which says that both began at the same point.
fn two_clones_differ(daemon: &Daemon, image: &str, file: &str, code: &Path) {
    let mut words = vec!["fn", "deploy", "draws", "--image", image];
    words.extend(["--handler", "app.handle", "--code", code.to_str().unwrap()]);
    words.extend(["--init-timeout", "300", "--memory", "384"]);
    daemon.says(&words);
    let draw = || -> Vec<Value> {
        let done = daemon.thaw(&["fn", "invoke", "draws", "--data", "1"]);
        let out = text(&done.stdout);
        serde_json::from_str(&out)
            .unwrap_or_else(|error| panic!("{error}: {out}{}", text(&done.stderr)))
    };
    let (first, second) = (draw(), draw());
    assert_eq!(
        first[0], second[0],
        "{file}: they did not begin at the same point"
    );
    assert!(first.len() > 4 && first.len() == second.len(), "{first:?}");
    for (index, (one, other)) in first.iter().zip(&second).enumerate().skip(1) {
        assert!(!one.is_null(), "{file}: nothing at {index}");
        assert_ne!(one, other, "{file}: two clones drew the same at {index}");
    }
    daemon.says(&["fn", "rm", "draws"]);
}

#[test]
fn clones_of_a_python_function_have_numbers_and_tls_keys_of_their_own() {
    assert!(
        Path::new(NUMPY).is_dir(),
        "{NUMPY} is missing; run `make setup-test`"
    );
    let daemon = Daemon::with_python(&[]);
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", &format!("{NUMPY}/.")])
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    let source = "import random, secrets, ssl, tempfile, uuid\n\
        import numpy\n\
        tls = ssl.create_default_context()\n\
        def hello():\n\
        \x20   # Its random bytes and its key share, which come out of OpenSSL's two generators.\n\
        \x20   inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()\n\
        \x20   line = tls.wrap_bio(inward, outward, server_hostname='example.org')\n\
        \x20   try: line.do_handshake()\n\
        \x20   except ssl.SSLWantReadError: pass\n\
        \x20   sent = outward.read()\n\
        \x20   share = sent.index(b'\\x00\\x1d\\x00\\x20') + 4\n\
        \x20   return [sent[11:43].hex(), sent[share:share + 32].hex()]\n\
        def draw():\n\
        \x20   return [random.random(), numpy.random.random(), numpy.random.randint(2 ** 62), ssl.RAND_bytes(16).hex(),\n\
        \x20       secrets.token_hex(16), str(uuid.uuid1()), str(uuid.uuid4()), tempfile.mktemp()] + hello()\n\
        frozen = draw()\n\
        def handle(event, context): return [frozen] + draw()\n";
    fs::write(folder.path().join("app.py"), source).unwrap();
    two_clones_differ(&daemon, "python", "app.py", folder.path());
}

#[test]
fn clones_of_a_node_function_have_numbers_and_tls_keys_of_their_own() {
    let daemon = Daemon::with_python(&[]);
    daemon.says(&["image", "add", "debian:bookworm+nodejs", "--name", "node"]);
    let folder = tempfile::tempdir().unwrap();
    // The shared key is known, so what the two ends export depends on what they draw alone.
    let source = "const crypto = require('crypto'), tls = require('tls'), { Duplex } = require('stream');\n\
        function pair() {\n\
        \x20 const ends = [0, 1].map(() => new Duplex({ read() {}, write(piece, _, done) { this.other.push(piece); done(); } }));\n\
        \x20 [ends[0].other, ends[1].other] = [ends[1], ends[0]];\n\
        \x20 return ends;\n\
        }\n\
        const how = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-PSK-AES128-CBC-SHA256' };\n\
        const key = Buffer.alloc(32, 7);\n\
        const secureContext = tls.createSecureContext(how);\n\
        function session() {\n\
        \x20 return new Promise((done, failed) => {\n\
        \x20   const [near, far] = pair();\n\
        \x20   new tls.TLSSocket(far, { ...how, secureContext, isServer: true, pskCallback: () => key }).on('error', failed);\n\
        \x20   const line = tls.connect({ ...how, socket: near, pskCallback: () => ({ psk: key, identity: 'x' }),\n\
        \x20     checkServerIdentity: () => undefined });\n\
        \x20   line.on('error', failed);\n\
        \x20   line.on('secureConnect', () => done(line.exportKeyingMaterial(16, 'test').toString('hex')));\n\
        \x20 });\n\
        }\n\
        const draw = async () => [\n\
        \x20 crypto.randomUUID(), crypto.webcrypto.randomUUID(), crypto.randomInt(2 ** 40), Math.random(),\n\
        \x20 crypto.randomBytes(8).toString('hex'), Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(8))).toString('hex'),\n\
        \x20 crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }),\n\
        \x20 crypto.createECDH('secp256k1').generateKeys('hex'), await session(),\n\
        ];\n\
        const frozen = draw();\n\
        // The freeze waits for what is not done yet.\n\
        exports.beforeSnapshot = () => frozen;\n\
        exports.handle = async () => [await frozen, ...await draw()];\n";
    fs::write(folder.path().join("app.js"), source).unwrap();
    two_clones_differ(&daemon, "node", "app.js", folder.path());
}
