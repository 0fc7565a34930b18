"""Every method of BandSox's remote client, unmodified, against a running daemon.

usage: remote.py SERVER_URL SCRATCH_FOLDER [API_KEY PASSWORD]
"""

import hashlib
import inspect
import os
import socket
import sys
import time
import urllib.parse
import urllib.request

from bandsox.core import BandSox

server, folder = sys.argv[1:3]
key, password = sys.argv[3:5] if len(sys.argv) > 3 else (None, None)
headers = {"Authorization": f"Bearer {key}"} if key else None
bs = BandSox(server, headers=headers, timeout=120)
has_mcp = "mcp" in inspect.signature(bs.create_vm).parameters


def check(what, found, expected):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def refused(kind, words, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        assert words in str(error), f"{error} does not say {words!r}"
    else:
        raise AssertionError(f"{call} was not refused")


def creation():
    more = {"mcp": {"github": {"token": "t0ps3cret"}}} if has_mcp else {}
    vm = bs.create_vm(
        "python", name="first", mem_mib=256, disk_size_mib=1024,
        env_vars={"COLOUR": "green", "NUMBER": 7}, metadata={"team": "a"}, **more)
    assert vm.wait_for_agent()
    info = vm.get_info()
    check("name", info["name"], "first")
    check("shape", (info["vcpu"], info["mem_mib"]), (1, 256))
    check("status", info["status"], "running")
    check("agent_ready", info["agent_ready"], True)
    check("metadata", info["metadata"], {"team": "a"})
    for absent in ("network_config", "vsock_config", "pid", "rootfs_path"):
        check(absent, info[absent], None)
    assert abs(info["created_at"] - time.time()) < 600, info["created_at"]
    if has_mcp:
        assert "t0ps3cret" not in str(info), info
        text = vm.get_file_contents("/workspace/.mcp.json")
        assert "GITHUB_PERSONAL_ACCESS_TOKEN" in text and "t0ps3cret" in text, text
    refused(Exception, "nowhere", bs.create_vm, "nowhere-to-be-found:1")
    return vm


def lists(vm):
    ids = [info["id"] for info in bs.list_vms()]
    assert vm.vm_id in ids, ids
    check("limit", len(bs.list_vms(limit=1)), 1)
    by = lambda **wanted: [info["id"] for info in bs.list_vms(metadata_equals=wanted)]
    check("by metadata", by(team="a"), [vm.vm_id])
    check("by other metadata", by(team="b"), [])
    check("unknown VM", bs.get_vm("no-such-vm"), None)
    check("unknown VM's info", bs.get_vm_info("no-such-vm"), None)
    check("known VM", bs.get_vm(vm.vm_id).vm_id, vm.vm_id)


def names(vm):
    check("renamed", bs.rename_vm(vm.vm_id, "renamed")["name"], "renamed")
    check("new name", vm.get_info()["name"], "renamed")
    bs.update_vm_metadata(vm.vm_id, {"team": "a", "stage": 2})
    check("new metadata", vm.get_info()["metadata"], {"team": "a", "stage": 2})
    refused(FileNotFoundError, "not found", bs.rename_vm, "no-such-vm", "x")


def execs(vm):
    out, err = [], []
    code = vm.exec_command(
        "echo out; echo err >&2; exit 3", on_stdout=out.append, on_stderr=err.append)
    check("exec", (code, out, err), (3, ["out\n"], ["err\n"]))
    out.clear()
    vm.exec_command('printf "$COLOUR $NUMBER"', on_stdout=out.append)
    check("environment", out, ["green 7"])
    check("signal", vm.exec_command("kill -9 $$"), -1)
    check("empty command", vm.exec_command(""), 0)
    refused(Exception, "timed out", vm.exec_command, "sleep 60", timeout=1)
    refused(FileNotFoundError, "not found", bs._vm("no-such-vm").exec_command, "true")


def python(vm):
    result = vm.exec_python_capture("import os, sys\nprint(6*7, os.getcwd())\nprint('e', file=sys.stderr)")
    check("python", (result["exit_code"], result["stdout"]), (0, "42 /tmp\n"))
    check("python's stderr", result["stderr"], "e\n")
    check("python's success", result["success"], True)
    result = vm.exec_python_capture("1/0")
    check("python's failure", (result["exit_code"], result["success"]), (1, False))
    assert "ZeroDivisionError" in result["error"], result
    check("python's code", vm.exec_python("raise SystemExit(5)"), 5)
    refused(Exception, "network_unavailable", vm.exec_python, "pass", packages=["requests"])


def files(vm):
    vm.write_text("/tmp/deep/er/note.txt", "grün\n")
    vm.append_text("/tmp/deep/er/note.txt", "blau\n")
    check("text", vm.get_file_contents("/tmp/deep/er/note.txt"), "grün\nblau\n")
    info = vm.get_file_info("/tmp/deep/er/note.txt")
    check("size and mode", (info["size"], info["mode"]), (11, "644"))
    listed = vm.list_dir("/tmp/deep")
    check("list", [(e["name"], e["path"], e["is_dir"], e["is_file"]) for e in listed],
          [("er", "/tmp/deep/er", True, False)])

    data = os.urandom(3_000_001)
    here, back = os.path.join(folder, "data.bin"), os.path.join(folder, "back.bin")
    with open(here, "wb") as file:
        file.write(data)
    vm.upload_file(here, "/root/da ta.bin")
    vm.download_file("/root/da ta.bin", back)
    with open(back, "rb") as file:
        check("downloaded", hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(data).hexdigest())
    vm.append_file(here, "/root/da ta.bin")
    check("appended", vm.get_file_info("/root/da ta.bin")["size"], 2 * len(data))
    # Larger than other JSON may be.
    vm.write_text("/root/large", "x" * 20_000_000)
    check("a large text", vm.get_file_info("/root/large")["size"], 20_000_000)
    # The client takes JSON apart unless it comes as bytes.
    vm.write_text("/tmp/grün.json", '{"a": 1}')
    vm.download_file("/tmp/grün.json", back)
    with open(back, "rb") as file:
        check("a JSON file", file.read(), b'{"a": 1}')

    tree = os.path.join(folder, "tree")
    os.makedirs(os.path.join(tree, "sub"), exist_ok=True)
    os.makedirs(os.path.join(tree, "skipped"), exist_ok=True)
    for name in ("a.txt", "b.log", "sub/c.txt", "skipped/d.txt"):
        with open(os.path.join(tree, name), "w") as file:
            file.write(name)
    vm.upload_folder(tree, "/srv/tree", pattern="*.txt", skip_pattern=["skipped"])
    out = []
    vm.exec_command("cd /srv/tree && find . -type f | sort | tr '\\n' ' '", on_stdout=out.append)
    check("folder", out, ["./a.txt ./sub/c.txt "])

    refused(Exception, "/no/such", vm.get_file_contents, "/no/such")
    refused(Exception, "directory", vm.get_file_contents, "/tmp")
    refused(Exception, "Path not found: /no/such", vm.get_file_info, "/no/such")
    refused(Exception, "/no/such", vm.list_dir, "/no/such")
    refused(Exception, "/no/such", vm.download_file, "/no/such", back)


def cut_off(vm):
    """An upload whose client vanishes half way leaves no file, nor a part of one."""
    form = (
        "--b\r\nContent-Disposition: form-data; name=\"remote_path\"\r\n\r\n/srv/cut/half\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"half\"\r\n\r\n").encode()
    head = [f"POST /api/vms/{vm.vm_id}/upload HTTP/1.1", f"Host: {urllib.parse.urlsplit(server).netloc}",
            "Content-Type: multipart/form-data; boundary=b", "Content-Length: 8000000"]
    if key:
        head.append(f"Authorization: Bearer {key}")
    address = urllib.parse.urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=60) as stream:
        stream.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + form + b"x" * 4_000_000)
    # The folder may be made; what is in it is what counts, once the guest has heard of the end.
    deadline = time.monotonic() + 60
    while True:
        out = []
        vm.exec_command("find /srv/cut -type f 2>/dev/null | wc -l", on_stdout=out.append)
        if out == ["0\n"]:
            break
        assert time.monotonic() < deadline, out
    vm.write_text("/srv/cut/half", "whole")
    check("after a cut upload", vm.get_file_contents("/srv/cut/half"), "whole")


def sockets(vm):
    """Who may open a WebSocket, and the codes by which those are closed that may not or can't."""
    import json
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    here = server.replace("http", "ws", 1)
    shown = {"Authorization": f"Bearer {key}"} if key else {}

    def closed(path, first=None, headers=shown):
        with connect(here + path, open_timeout=30, additional_headers=headers) as stream:
            try:
                if first is not None:
                    stream.send(first)
                while True:
                    stream.recv(timeout=60)
            except ConnectionClosed as error:
                return error.rcvd.code

    of = f"/api/vms/{vm.vm_id}"
    check("terminal of none", closed("/api/vms/none/terminal"), 4004)
    check("stream of none", closed("/api/vms/none/exec-stream", '{"command":"true"}'), 4004)
    for first in ("x", "{}", '{"command":""}', '{"command":"true","timeout":"x"}'):
        check(f"the start {first}", closed(f"{of}/exec-stream", first), 4000)
    vm.pause()
    check("terminal of a paused VM", closed(f"{of}/terminal"), 4000)
    vm.resume()
    if not key:
        return
    run = '{"command":"exit 3"}'
    check("Authorization", closed(f"{of}/exec-stream", run), 1000)
    for nobody in ({}, {"Authorization": "Bearer thaw_wrong"}, {"Cookie": "bandsox_session=wrong"}):
        check(f"with {nobody}", closed(f"{of}/exec-stream", run, nobody), 4001)
        check(f"terminal with {nobody}", closed(f"{of}/terminal", None, nobody), 4001)
    if password:
        body = json.dumps({"password": password}).encode()
        login = urllib.request.Request(f"{server}/api/auth/login", body)
        with urllib.request.urlopen(login, timeout=60) as answer:
            cookie = answer.headers["Set-Cookie"].split(";")[0]
        check("cookie", closed(f"{of}/exec-stream", run, {"Cookie": cookie}), 1000)
        with connect(f"{here}{of}/terminal", open_timeout=30, additional_headers={"Cookie": cookie}) as stream:
            assert stream.recv(timeout=60)


def vanished(vm):
    """A terminal whose client goes without a word ends, and what ran in it."""
    import base64
    import json
    from websockets.sync.client import connect

    url = server.replace("http", "ws", 1) + f"/api/vms/{vm.vm_id}/terminal"
    count = "grep -lx sleep /proc/[0-9]*/comm 2>/dev/null | wc -l"
    stream = connect(url, open_timeout=30, additional_headers={"Authorization": f"Bearer {key}"} if key else {})
    data = base64.b64encode(b"sleep 4711\n").decode()
    stream.send(json.dumps({"type": "input", "data": data}))

    def sleeping(wanted):
        deadline = time.monotonic() + 60
        while True:
            out = []
            vm.exec_command(count, on_stdout=out.append)
            if out == [f"{wanted}\n"]:
                return
            assert time.monotonic() < deadline, out

    sleeping(1)
    stream.socket.shutdown(socket.SHUT_RDWR)
    sleeping(0)


def terminal(vm):
    import base64
    import json
    from websockets.sync.client import connect

    url = server.replace("http", "ws", 1) + f"/api/vms/{vm.vm_id}/terminal?cols=100&rows=30"
    if key:
        url += "&token=" + urllib.parse.quote(key)
    with connect(url, open_timeout=30) as socket:
        send = lambda **message: socket.send(json.dumps(message))
        seen = ""
        send(type="input", data=base64.b64encode(b"stty size; echo do''ne\n").decode())
        while "done" not in seen:
            seen += base64.b64decode(socket.recv(timeout=30)).decode().replace("\0", "")
        assert "30 100" in seen, seen
        send(type="resize", cols=120, rows=40)
        send(type="input", data=base64.b64encode(b"stty size; echo aga''in; exit\n").decode())
        while "again" not in seen:
            seen += base64.b64decode(socket.recv(timeout=30)).decode().replace("\0", "")
        assert "40 120" in seen, seen


def stream(vm):
    import json
    from websockets.sync.client import connect

    url = server.replace("http", "ws", 1) + f"/api/vms/{vm.vm_id}/exec-stream"
    if key:
        url += "?token=" + urllib.parse.quote(key)
    with connect(url, open_timeout=30) as socket:
        socket.send(json.dumps({"command": "echo a; echo b >&2; exit 4"}))
        frames = [json.loads(frame) for frame in socket]
    check("exit", frames[-1], {"type": "exit", "exit_code": 4})
    text = lambda kind: "".join(f["data"] for f in frames if f["type"] == kind)
    check("streams", (text("stdout"), text("stderr")), ("a\n", "b\n"))


def http(vm):
    vm.write_text("/srv/www/index.html", "hello\n")
    vm.write_text("/srv/www/sub/index.html", "below\n")
    # It ends with its VM. The shell's own end must not wait for it.
    vm.exec_command(
        "cd /srv/www && (python3 -m http.server 8080 >/dev/null 2>&1 &); "
        "python3 - <<'E'\n"
        "import socket\n"
        "while socket.socket().connect_ex(('127.0.0.1', 8080)): pass\n"
        "E", timeout=60)
    answer = vm.send_http_request(8080, "/index.html")
    check("http", (answer["status_code"], answer["body"]), (200, "hello\n"))
    check("a missing page", vm.send_http_request(8080, "/nothing")["status_code"], 404)
    check("POST", vm.send_http_request(8080, "/", method="POST", json={"a": 1})["status_code"], 501)
    check("a redirect", vm.send_http_request(8080, "/sub")["body"], "below\n")
    refused(Exception, "8081", vm.send_http_request, 8081)


def states(vm):
    check("pause", vm.pause()["status"], "paused")
    check("paused", vm.get_info()["status"], "paused")
    check("pause again", vm.pause()["status"], "paused")
    check("resume", vm.resume()["status"], "resumed")
    check("running", vm.get_info()["status"], "running")


def snapshots(vm):
    vm.write_text("/root/kept.txt", "kept")
    check("snapshot", vm.snapshot("before", metadata={"why": "test"}), "before")
    vm.write_text("/root/kept.txt", "lost")
    found = [s for s in bs.list_snapshots() if s["snapshot_name"] == "before"]
    check("listed", [(s["source_vm_id"], s["metadata"]) for s in found], [(vm.vm_id, {"why": "test"})])
    ident = found[0]["id"]
    more = bs.restore_vm(ident, name="restored", env_vars={"COLOUR": "red"}, metadata={"n": 1})
    assert more.wait_for_agent()
    check("restored file", more.get_file_contents("/root/kept.txt"), "kept")
    check("restored_from", more.get_info()["restored_from"], ident)
    out = []
    more.exec_command('printf "$COLOUR"', on_stdout=out.append)
    check("restored environment", out, ["red"])
    more.delete()
    if has_mcp:
        # What is secret stays so, whatever is noted instead.
        bs.update_snapshot_metadata(ident, {"why": "secrets"})
        more = bs.restore_vm(ident, name="restored", metadata={"n": 1})
        info = more.get_info()
        assert "t0ps3cret" not in str(info), info
        check("redacted", info["env_vars"]["GITHUB_PERSONAL_ACCESS_TOKEN"], "<redacted>")
        check("its own metadata", info["metadata"], {"n": 1})
        out.clear()
        more.exec_command('printf "$GITHUB_PERSONAL_ACCESS_TOKEN"', on_stdout=out.append)
        check("its programs' environment", out, ["t0ps3cret"])
        more.delete()
    bs.update_snapshot_metadata(ident, {"why": "changed"})
    check("rename", bs.rename_snapshot(ident, "after")["name"], "after")
    found = [s for s in bs.list_snapshots() if s["snapshot_name"] == "after"]
    check("renamed", [s["metadata"] for s in found], [{"why": "changed"}])
    # By the old id, the id that is listed now, and the new name.
    for by in (ident, found[0]["id"], "after"):
        bs.restore_vm(by).delete()
    check("removed", bs.delete_snapshot("after")["status"], "deleted")
    refused(FileNotFoundError, "not found", bs.restore_vm, ident)
    check("snapshot of a paused VM", vm.pause()["status"], "paused")
    check("paused", vm.snapshot("again"), "again")
    check("stays paused", vm.get_info()["status"], "paused")
    vm.resume()
    vm.write_text("/root/kept.txt", "newer")
    # One of the same name is replaced, whatever begins alike stays.
    check("beginning alike", vm.snapshot("aga"), "aga")
    check("replaced", vm.snapshot("again"), "again")
    check("all", sorted(s["snapshot_name"] for s in bs.list_snapshots()), ["aga", "again"])
    newer = bs.restore_vm("again", name="newer")
    check("replaced file", newer.get_file_contents("/root/kept.txt"), "newer")
    newer.delete()
    for name in ("again", "aga"):
        bs.delete_snapshot(name)
    check("default name", vm.snapshot(), f"{vm.vm_id}-snapshot")
    bs.delete_snapshot(f"{vm.vm_id}-snapshot")


def the_end(vm):
    check("stop", vm.stop()["status"], "stopped")
    check("stopped", vm.get_info()["status"], "stopped")
    refused(Exception, "not running", vm.exec_command, "true")
    check("delete", vm.delete()["status"], "deleted")
    check("gone", vm.get_info(), {})
    check("delete again", vm.delete()["status"], "deleted")


def main():
    vm = creation()
    for part in (lists, names, execs, python, files, cut_off, terminal, stream, sockets, vanished, http, states,
                 snapshots, the_end):
        began = time.monotonic()
        part(vm)
        print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    print("all right")


main()
