"""What BandSox's TypeScript SDK sends, byte for byte, and what it needs of the answers.

The SDK is on no registry. This client writes the requests as the SDK under Node (its `fetch` and `WebSocket`) does: the
same lines of the head, JSON without spaces, only the fields that were given, forms with Node's own boundaries.

usage: typescript.py SERVER_URL PASSWORD
       typescript.py SERVER_URL --dockerfile TEXT
"""

import base64
import json
import socket
import sys
import time
import urllib.parse

from websockets.sync.client import connect

server, password = sys.argv[1:3]
dockerfile = sys.argv[3] if password == "--dockerfile" else None
host = server.removeprefix("http://")
cookie = None


def check(what, found, expected):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def fetch(method, path, body=None, form=None):
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: keep-alive"]
    payload = b""
    if body is not None:
        payload = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        lines.append("Content-Type: application/json")
    if cookie:
        lines.append(f"Cookie: bandsox_session={cookie}")
    if form is not None:
        boundary = "----formdata-undici-065311426733"
        lines.append(f"content-type: multipart/form-data; boundary={boundary}")
        for name, value in form:
            payload += f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"".encode()
            if isinstance(value, bytes):
                payload += b"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n" + value
            else:
                payload += b"\r\n\r\n" + value.encode()
            payload += b"\r\n"
        payload += f"--{boundary}--\r\n".encode()
    lines += ["accept: */*", "accept-language: *", "sec-fetch-mode: cors", "user-agent: node",
              "accept-encoding: gzip, deflate"]
    if payload or method in ("POST", "PUT"):
        lines.append(f"content-length: {len(payload)}")
    with socket.create_connection(host.split(":"), timeout=120) as stream:
        stream.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        return answer(stream.makefile("rb"))


def answer(stream):
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
    else:
        body = stream.read(int(headers.get("content-length", 0)))
    # The SDK takes JSON apart by the content type, and everything else as bytes.
    is_json = "application/json" in headers.get("content-type", "")
    return status, json.loads(body) if is_json else body


def ok(method, path, body=None, form=None):
    status, found = fetch(method, path, body, form)
    assert status == 200, f"{method} {path}: {status} {found!r}"
    return found


def query(**pairs):
    return urllib.parse.urlencode(pairs)


def authentication():
    global cookie
    check("authCheck", ok("GET", "/api/auth/check"), {"authenticated": False})
    check("without a session", fetch("GET", "/api/vms")[0], 401)
    check("a wrong password", fetch("POST", "/api/auth/login", {"password": "wrong"}), (401, {"detail": "Invalid password"}))
    cookie = ok("POST", "/api/auth/login", {"password": password})["token"]
    check("authCheck", ok("GET", "/api/auth/check"), {"authenticated": True})
    made = ok("POST", "/api/auth/keys", {"name": "from-node"})
    assert made["key_id"] and made["key"], made
    assert made["key_id"] in [key["id"] for key in ok("GET", "/api/auth/keys")]
    check("revokeApiKey", ok("DELETE", f"/api/auth/keys/{made['key_id']}"), {"status": "revoked"})


def machine():
    made = ok("POST", "/api/vms", {"image": "python", "name": "node", "mem_mib": 256, "metadata": {"team": "a"}})
    vm = f"/api/vms/{made['id']}"
    deadline = time.monotonic() + 30
    # waitForAgent: nothing but true will do.
    while ok("GET", vm).get("agent_ready") is not True:
        assert time.monotonic() < deadline
    listed = ok("GET", "/api/vms?" + query(limit=1, metadata_equals='{"team":"a"}'))
    check("listVms", [one["id"] for one in listed], [made["id"]])
    check("listProjects", len(ok("GET", "/api/projects?" + query(limit=5))), 1)
    check("getVmInfo of none", fetch("GET", "/api/vms/none"), (404, {"detail": "VM not found"}))
    check("rename", ok("PUT", f"{vm}/name", {"name": "other"})["name"], "other")
    # What is returned is passed through.
    check("updateMetadata", ok("PUT", f"{vm}/metadata", {"metadata": {"team": "b"}}), {"team": "b"})
    return vm


def programs(vm):
    ran = ok("POST", f"{vm}/exec", {"command": "echo grün; exit 3", "timeout": 30})
    check("execCommand", (ran["exit_code"], ran["stdout"], ran["stderr"]), (3, "grün\n", ""))
    ran = ok("POST", f"{vm}/exec-python", {"code": "print(6*7)", "cwd": "/tmp"})
    check("execPython", (ran["exit_code"], ran["output"], ran["success"], ran["error"]), (0, "42\n", True, None))


def files(vm):
    ok("POST", f"{vm}/write-file", {"path": "/srv/a b.txt", "content": "one\n"})
    ok("POST", f"{vm}/append-file", {"path": "/srv/a b.txt", "content": "dHdvCg==", "encoding": "base64"})
    check("readFile", ok("GET", f"{vm}/read-file?" + query(path="/srv/a b.txt"))["content"], "one\ntwo\n")
    check("getFileInfo", ok("GET", f"{vm}/file-info?" + query(path="/srv/a b.txt"))["info"]["size"], 8)
    check("listDir", [f["name"] for f in ok("GET", f"{vm}/files?" + query(path="/srv"))["files"]], ["a b.txt"])
    data = bytes(range(256)) * 100
    ok("POST", f"{vm}/upload", form=[("remote_path", "/srv/data"), ("file", data)])
    check("downloadFile", ok("GET", f"{vm}/download?" + query(path="/srv/data")), data)
    # appendText is appendFile as text.
    appended = ok("POST", f"{vm}/append-file", {"path": "/srv/a b.txt", "content": "drei\n", "encoding": "utf-8"})
    check("appendText", appended, {"status": "appended", "path": "/srv/a b.txt"})
    check("appended", ok("GET", f"{vm}/read-file?" + query(path="/srv/a b.txt"))["content"], "one\ntwo\ndrei\n")
    # uploadFolder: a folder for each file, then the file.
    for path, content in {"a.txt": b"a", "sub/b.txt": b"b"}.items():
        remote = f"/srv/tree/{path}"
        ran = ok("POST", f"{vm}/exec", {"command": f"mkdir -p {remote.rsplit('/', 1)[0]}", "timeout": 30})
        check("mkdir", ran["exit_code"], 0)
        sent = ok("POST", f"{vm}/upload", form=[("remote_path", remote), ("file", content)])
        check("uploadFolder", sent, {"status": "uploaded", "path": remote})
        check("uploaded", ok("GET", f"{vm}/download?" + query(path=remote)), content)
    # A form may come in another order.
    for content in (data, b""):
        ok("POST", f"{vm}/upload", form=[("file", content), ("remote_path", "/srv/late")])
        check("file before remote_path", ok("GET", f"{vm}/download?" + query(path="/srv/late")), content)


def http(vm):
    ok("POST", f"{vm}/exec", {"command":
        "cd /srv && (python3 -m http.server 8080 >/dev/null 2>&1 &); python3 -c '\n"
        "import socket\nwhile socket.socket().connect_ex((\"127.0.0.1\", 8080)): pass'"})
    sent = ok("POST", f"{vm}/http", {"port": 8080, "path": "/a%20b.txt", "method": "GET"})
    check("sendHttpRequest", (sent["status_code"], sent["body"]), (200, "one\ntwo\ndrei\n"))


def terminal(vm):
    token = base64.urlsafe_b64encode(cookie.encode()).decode().rstrip("=")
    url = f"ws://{host}{vm}/terminal?cols=90&rows=20"
    with connect(url, subprotocols=["bandsox.terminal", f"bandsox.auth.{token}"],
                 user_agent_header="node", open_timeout=60) as stream:
        check("the subprotocol", stream.subprotocol, "bandsox.terminal")
        send = lambda **message: stream.send(json.dumps(message, separators=(",", ":")))
        send(type="resize", cols=91, rows=21)
        send(type="input", data=base64.b64encode(b"stty size; echo do''ne; exit\n").decode())
        seen = ""
        # atob and a decoder for each frame alone: a frame that is cut inside a character would raise.
        for frame in stream:
            seen += base64.b64decode(frame, validate=True).decode()
    assert "21 91" in seen and "done" in seen, seen


def snapshots(vm):
    check("snapshotVm", ok("POST", f"{vm}/snapshot", {"name": "kept", "metadata": {"n": 1}}), {"snapshot_id": "kept"})
    listed = ok("GET", "/api/snapshots")
    check("listSnapshots", [(one["id"], one["snapshot_name"], one["metadata"]) for one in listed],
          [("kept", "kept", {"n": 1})])
    made = ok("POST", "/api/snapshots/kept/restore", {"name": "again", "metadata": {"team": "c"}})
    check("restoreVm", made["status"], "restored")
    again = ok("GET", f"/api/vms/{made['id']}")
    check("restored", (again["name"], again["metadata"], again["restored_from"]), ("again", {"team": "c"}, "kept"))
    check("restored file", ok("GET", f"/api/vms/{made['id']}/read-file?" + query(path="/srv/a b.txt"))["content"],
          "one\ntwo\ndrei\n")
    check("deleteVm", ok("DELETE", f"/api/vms/{made['id']}"), {"status": "deleted"})
    check("renameSnapshot", ok("PUT", "/api/snapshots/kept/name", {"name": "old"}), {"status": "renamed", "name": "old"})
    changed = ok("PUT", "/api/snapshots/kept/metadata", {"metadata": {"n": 2}})
    check("updateSnapshotMetadata", (changed["metadata"], changed["snapshot_name"]), ({"n": 2}, "old"))
    # The beginning of an id is not that id.
    check("deleteSnapshot of none", fetch("DELETE", "/api/snapshots/kep"), (404, {"detail": "Snapshot not found"}))
    check("deleteSnapshot", ok("DELETE", "/api/snapshots/old"), {"status": "deleted"})
    check("no snapshots", ok("GET", "/api/snapshots"), [])


def from_dockerfile():
    """createVmFromDockerfile: the text as a file, the rest as texts, objects among them as JSON."""
    made = ok("POST", "/api/vms/from-dockerfile", form=[
        ("dockerfile", dockerfile.encode()), ("tag", "sdk:1"), ("name", "sdk"), ("vcpu", "1"), ("mem_mib", "128"),
        ("disk_size_mib", "512"), ("env_vars", '{"SHAPE":"round"}'), ("metadata", '{"team":"a"}'),
        ("force_rebuild", "false")])
    check("createVmFromDockerfile", made["status"], "created")
    vm = f"/api/vms/{made['id']}"
    info = ok("GET", vm)
    check("built", (info["name"], info["metadata"], info["agent_ready"]), ("sdk", {"team": "a"}, True))
    ran = ok("POST", f"{vm}/exec", {"command": 'echo "$COLOUR $SHAPE"'})
    check("its environment", ran["stdout"], "green round\n")
    check("delete", ok("DELETE", vm)["status"], "deleted")


def the_end(vm):
    global cookie
    check("pause", ok("POST", f"{vm}/pause")["status"], "paused")
    check("resume", ok("POST", f"{vm}/resume")["status"], "resumed")
    check("stop", ok("POST", f"{vm}/stop")["status"], "stopped")
    check("delete", ok("DELETE", vm)["status"], "deleted")
    check("gone", fetch("GET", vm)[0], 404)
    ok("POST", "/api/auth/logout")
    check("after logout", fetch("GET", "/api/vms")[0], 401)


def everything():
    authentication()
    vm = machine()
    for part in (programs, files, http, terminal, snapshots, the_end):
        part(vm)


if dockerfile:
    from_dockerfile()
else:
    everything()
print("all right")
