"""Every verb of BandSox's command line that talks to a server, unmodified, against a running daemon.

usage: commands.py PORT HOME [API_KEY]

With a key the daemon has authentication on; the verbs about keys are run as well then.
"""

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import bandsox.cli

port, home = sys.argv[1:3]
key = sys.argv[3] if len(sys.argv) > 3 else None
environment = {**os.environ, "HOME": home, "COLUMNS": "200", "SUDO_USER": ""}
program = os.path.join(os.path.dirname(sys.executable), "bandsox")
if key:
    os.makedirs(os.path.join(home, ".bandsox"), exist_ok=True)
    with open(os.path.join(home, ".bandsox", "credentials"), "w") as file:
        json.dump({"api_key": key, "server_url": f"http://127.0.0.1:{port}"}, file)


def run(*words, typed="", expect):
    done = subprocess.run(
        [program, *words, "--port", port], env=environment, input=typed,
        capture_output=True, text=True, timeout=180)
    text = done.stdout + done.stderr
    assert expect in text, f"bandsox {' '.join(words)} printed {text!r}, without {expect!r}"
    return text


def is_raw(master):
    """Whether the terminal whose other end this is gives every key at once."""
    local_modes = termios.tcgetattr(master)[3]
    return not local_modes & termios.ICANON


def terminal(name):
    """A person at a terminal: types, resizes nothing, leaves with `exit`."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(program, [program, "terminal", name, "--port", port], environment)
    seen, deadline, typed = b"", time.monotonic() + 120, False
    while b"the-end" not in seen and time.monotonic() < deadline:
        # The client shows the prompt in one thread and makes its terminal raw in another, which throws away what was
        # typed before. Nothing tells that it is raw; it is looked at often until then.
        if not typed and re.search(rb"[#$] ", seen) and is_raw(master):
            os.write(master, b"echo the-'end'; exit\r")
            typed = True
        if not select.select([master], [], [], 1 if typed else 0.01)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    assert b"the-end" in seen, f"the terminal showed {seen!r}"
    os.waitpid(pid, 0)
    os.close(master)


def machines():
    made = run("create", "python", "--name", "box", "--mem", "256", "--disk-size", "1024", expect="VM created: ")
    ident = made.split("VM created: ")[1].split()[0]
    run("create", "nowhere-to-be-found:1", expect="Failed to create VM")
    run("vm", "list", expect=ident)
    terminal(ident)
    if hasattr(bandsox.cli, "_resolve_vm_identifier"):
        # Newer releases look a name up before they ask for a terminal.
        terminal("box")
    run("vm", "pause", ident, expect="paused")
    run("vm", "list", expect="paused")
    run("vm", "resume", ident, expect="resumed")
    run("vm", "rename", ident, "crate", expect="crate")
    return ident


def snapshots(ident):
    run("snapshot", "list", expect="No snapshots found")
    run("vm", "save", ident, "saved", expect="saved")
    run("snapshot", "list", expect="Total: 1 snapshot(s)")
    restored = run("snapshot", "restore", "saved", expect="restored")
    run("vm", "list", expect="from-saved")
    run("snapshot", "rename", "saved", "stored", expect="renamed to 'stored'")
    run("snapshot", "delete", "saved", expect="deleted")
    run("snapshot", "list", expect="No snapshots found")
    run("snapshot", "restore", "saved", expect="Failed to restore")
    made = re.search(r"(vm-[0-9a-f]+)", restored).group(1)
    run("vm", "delete", made, expect="deleted")


def the_end(ident):
    run("vm", "stop", ident, expect="stopped")
    run("vm", "list", expect="stopped")
    run("vm", "delete", ident, expect="deleted")


def keys():
    made = run("auth", "create-key", "second", typed="n\n", expect="API key created")
    ident = re.search(r"ID:\s+(\S+)", made).group(1)
    run("auth", "list-keys", expect=ident)
    run("auth", "revoke-key", ident, expect="revoked")
    assert ident not in run("auth", "list-keys", expect="ID")


machine = machines()
snapshots(machine)
the_end(machine)
if key:
    keys()
print("all right")
