import os
import signal
from pathlib import Path

import pytest

from thaw import Thaw, ThawError, Vm


def test_a_vm_stays_between_programs_and_changes_its_state(thaw: Thaw, vm: Vm) -> None:
    assert vm.exec("echo kept > /root/x").ok
    assert vm.exec(["cat", "/root/x"]).stdout == "kept\n"
    assert vm.run_code("python", "print(open('/root/x').read())").stdout == "kept\n\n"
    assert vm.pause().state == "paused"
    with pytest.raises(ThawError) as raised:
        vm.exec("true")
    assert raised.value.code == "vm_paused"
    assert vm.resume().state == "running"
    name = f"sdk-{vm.id}"
    assert vm.update(name=name, metadata={"a": "1", "b": "2"}).name == name
    assert vm.update(metadata_merge={"a": None}).metadata == {"b": "2"}
    assert [found.id for found in thaw.vms.list(metadata={"b": "2"})] == [vm.id]
    assert thaw.vms.get(name).id == vm.id
    usage = vm.usage()
    assert usage.guest is not None
    assert usage.guest["processes"] > 0
    assert vm.stop().state == "stopped"
    assert vm.start().state == "running"
    assert vm.exec(["cat", "/root/x"]).stdout == "kept\n"
    assert vm.logs(tail=1).count("\n") == 1


def test_a_deleted_vm_is_gone(thaw: Thaw) -> None:
    with thaw.vms.create("python", start_timeout=120) as vm:
        pass
    with pytest.raises(ThawError) as raised:
        thaw.vms.get(vm.id)
    assert raised.value.code == "vm_not_found"


def test_files_go_in_and_out(vm: Vm, tmp_path: Path) -> None:
    files = vm.files
    content = os.urandom(3 << 20)
    assert files.write("/work/deep/a.bin", content, mode=0o600, parents=True).mode == "0600"
    assert files.read("/work/deep/a.bin") == content
    assert files.read("/work/deep/a.bin", offset=5, length=10) == content[5:15]
    assert b"".join(files.iter_bytes("/work/deep/a.bin")) == content
    files.write("/work/deep/a.bin", b"!", append=True)
    assert files.info("/work/deep/a.bin").size_bytes == len(content) + 1
    files.mkdir("/work/empty")
    files.write("/work/b.txt", "zwölf")
    assert files.read_text("/work/b.txt") == "zwölf"
    files.move("/work/b.txt", "/work/c.txt")
    assert [(file.name, file.kind) for file in files.list("/work")] == [
        ("c.txt", "file"),
        ("deep", "directory"),
        ("empty", "directory"),
    ]
    files.download("/work", tmp_path / "out")
    assert (tmp_path / "out/deep/a.bin").read_bytes() == content + b"!"
    files.upload(tmp_path / "out", "/again")
    assert vm.exec("cmp /work/deep/a.bin /again/deep/a.bin").ok
    files.upload(tmp_path / "out/c.txt", "/single.txt")
    files.download("/single.txt", tmp_path / "single.txt")
    assert (tmp_path / "single.txt").read_text() == "zwölf"
    files.remove("/work", recursive=True)
    with pytest.raises(ThawError) as raised:
        files.info("/work")
    assert raised.value.code == "file_not_found"


def test_an_upload_that_is_refused_while_it_is_sent_is_told_why(vm: Vm) -> None:
    pieces = (bytes(1 << 20) for _ in range(64))
    with pytest.raises(ThawError) as raised:
        vm.files.write("/etc", pieces)
    assert raised.value.code == "is_a_directory"


def test_a_program_is_talked_to_while_it_runs(vm: Vm) -> None:
    with vm.spawn(["cat"]) as process:
        sent = os.urandom(1 << 20)
        process.write(sent[: 1 << 10])
        process.write(sent[1 << 10 : 1 << 16])
        process.end_input()
        got = b"".join(output.data for output in process)
        assert got == sent[: 1 << 16]
        assert process.wait().exit_code == 0
    with vm.spawn("echo up; exec sleep 1000") as process:
        outputs = iter(process)
        assert next(outputs).data == b"up\n"
        process.signal(signal.SIGTERM)
        assert process.wait().signal == signal.SIGTERM


def test_a_terminal_has_a_size_and_an_end(vm: Vm) -> None:
    with vm.terminal(cols=91, rows=33, command="stty size; read line; stty size; echo got-$line; exit 5") as terminal:
        shown = bytearray()
        for piece in terminal:
            shown += piece
            if shown == b"33 91\r\n":
                terminal.resize(70, 20)
                terminal.write("word\n")
        assert b"20 70" in shown
        assert b"got-word" in shown
        assert terminal.wait().exit_code == 5


def test_programs_in_the_background_are_followed_and_ended(vm: Vm) -> None:
    running = vm.start_exec("echo one; echo two >&2; exec sleep 1000")
    seen = dict[str, bytes]()
    for output in running.follow():
        seen[output.stream] = output.data
        if len(seen) == 2:
            running.signal(signal.SIGKILL)
    assert seen == {"stdout": b"one\n", "stderr": b"two\n"}
    assert running.info.signal == signal.SIGKILL
    assert [each.info.id for each in vm.execs()] == [running.info.id]
    running.remove()
    assert vm.execs() == []


def test_forks_and_snapshots_begin_where_the_vm_was(thaw: Thaw, vm: Vm) -> None:
    vm.exec("echo before > /root/x")
    fork = vm.fork(2)
    try:
        vm.exec("echo after > /root/x")
        assert {copy.exec("cat /root/x").stdout for copy in fork.vms} == {"before\n"}
        assert fork.paused_us > 0
    finally:
        for copy in fork.vms:
            copy.delete()
    snapshot = vm.snapshot(f"sdk-{vm.id}")
    try:
        assert snapshot.info.vm == vm.id
        assert snapshot.info.id in {each.info.id for each in thaw.snapshots.list()}
        with thaw.snapshots.get(snapshot.info.name).restore() as again:
            assert again.exec("cat /root/x").stdout == "after\n"
    finally:
        snapshot.delete()
