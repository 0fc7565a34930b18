"""VMs that stay."""

from __future__ import annotations

import base64
import json
import signal as signals
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from . import _process
from ._errors import ThawConnectionError
from ._exec import (
    Command,
    ExecResult,
    RunOptions,
    Surroundings,
    check,
    code,
    milliseconds,
    program,
    run,
    surroundings,
)
from ._files import Files
from ._http import Http, OnProgress, given, segment
from ._process import Output, Process, Terminal
from ._records import BackgroundInfo, SnapshotInfo, VmInfo, VmUsage, read

if TYPE_CHECKING:
    from ._snapshots import Snapshot


class Vm:
    """One VM. As a context manager it is deleted at the end."""

    def __init__(self, http: Http, info: VmInfo) -> None:
        self._http = http
        self._path = f"/v1/vms/{segment(info.id)}"
        self.info = info
        """What the server told last; `refresh` asks again."""
        self.files = Files(http, self._path)

    def __repr__(self) -> str:
        return f"Vm({self.info.id!r}, name={self.info.name!r}, state={self.info.state!r})"

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.delete()

    @property
    def id(self) -> str:
        """Its id, which stays the same."""
        return self.info.id

    def exec(self, command: Command, **how: Unpack[RunOptions]) -> ExecResult:
        """Runs a program to its end: a list of arguments, or one line for `/bin/sh -c`."""
        check(how, RunOptions)
        return run(self._http, f"{self._path}/exec", program(command), how)

    def run_code(self, language: str, source: str, **how: Unpack[RunOptions]) -> ExecResult:
        """Runs code in a fork of the interpreter that waits in the VM, so each run starts from the same state."""
        check(how, RunOptions)
        return run(self._http, f"{self._path}/exec", code(language, source), how)

    def spawn(
        self,
        command: Command,
        *,
        stdin: bool = True,
        tty: tuple[int, int] | None = None,
        **how: Unpack[Surroundings],
    ) -> Process:
        """Starts a program that is talked to while it runs; it ends when the `Process` is closed.

        `tty`: run it on a terminal of so many columns and rows. Without `timeout` it runs until it ends.
        """
        check(how, Surroundings)
        return _process.spawn(self._http, self._path, {**program(command), **surroundings(how)}, stdin=stdin, tty=tty)

    def terminal(
        self,
        *,
        cols: int = 80,
        rows: int = 24,
        command: str | None = None,
        cwd: str | None = None,
        user: str | None = None,
        term: str | None = None,
    ) -> Terminal:
        """Opens a terminal with a shell, or with a command line for `/bin/sh -c`."""
        how = given(cols=cols, rows=rows, command=command, cwd=cwd, user=user, term=term)
        return _process.terminal(self._http, self._path, how)

    def start_exec(self, command: Command, **how: Unpack[Surroundings]) -> BackgroundExec:
        """Starts a program that outlives its caller. Without `timeout` it runs until it ends."""
        check(how, Surroundings)
        body = {**program(command), **surroundings(how)}
        answer = self._http.json("POST", f"{self._path}/execs", json=body)
        return BackgroundExec(self._http, self._path, read(BackgroundInfo, answer))

    def execs(self) -> list[BackgroundExec]:
        """The programs in the background."""
        answer = self._http.json("GET", f"{self._path}/execs")
        return [BackgroundExec(self._http, self._path, read(BackgroundInfo, each)) for each in answer["execs"]]

    def refresh(self) -> VmInfo:
        """Asks what it is like now."""
        return self._told(self._http.json("GET", self._path))

    def pause(self) -> VmInfo:
        """Stops its CPUs; memory and programs stay."""
        return self._act("pause")

    def resume(self) -> VmInfo:
        """Lets a paused VM go on."""
        return self._act("resume")

    def stop(self) -> VmInfo:
        """Powers it off; its disk stays."""
        return self._act("stop")

    def start(self) -> VmInfo:
        """Boots a stopped VM from its disk."""
        return self._act("start")

    def update(
        self,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        metadata_merge: Mapping[str, str | None] | None = None,
        idle_timeout_s: int | None = None,
        max_lifetime_s: int | None = None,
    ) -> VmInfo:
        """Changes what is given.

        `metadata` replaces all of it; `metadata_merge` sets keys, and removes those with None.
        """
        changes: dict[str, Any] = given(
            name=name,
            metadata=metadata,
            metadata_merge=metadata_merge,
            idle_timeout_s=idle_timeout_s,
            max_lifetime_s=max_lifetime_s,
        )
        return self._told(self._http.json("PATCH", self._path, json=changes))

    def fork(
        self,
        count: int = 1,
        *,
        names: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        start_timeout: float | None = None,
    ) -> Fork:
        """Makes VMs that begin where this one is now: its programs, memory and disk. This one goes on."""
        body = given(
            count=count,
            names=None if names is None else list(names),
            env=env,
            metadata=metadata,
            start_timeout_ms=milliseconds(start_timeout),
        )
        answer = self._http.json("POST", f"{self._path}/fork", json=body, wait=None)
        vms = [Vm(self._http, read(VmInfo, each)) for each in answer["vms"]]
        return Fork(vms, answer["paused_us"], answer["at_rest_us"], answer["total_us"])

    def snapshot(self, name: str, *, metadata: Mapping[str, str] | None = None) -> Snapshot:
        """Keeps what it is at this moment under a name. It goes on."""
        from ._snapshots import Snapshot

        body = given(name=name, metadata=metadata)
        answer = self._http.json("POST", f"{self._path}/snapshot", json=body, wait=None)
        return Snapshot(self._http, read(SnapshotInfo, answer))

    def usage(self) -> VmUsage:
        """What it uses. Asking is no use of it: a VM that sleeps goes on sleeping."""
        return read(VmUsage, self._http.json("GET", f"{self._path}/usage"))

    def logs(self, *, tail: int | None = None) -> str:
        """What it said on its console: the last 64 KiB, or only so many lines at their end."""
        answer = self._http.request("GET", f"{self._path}/logs", params=given(tail=tail))
        return answer.content.decode(errors="replace")

    def port_url(self, port: int, path: str = "/") -> str:
        """Where a server on a port of the VM answers, through Thaw. Requests there need the API key, too."""
        return f"{self._http.server}{self._path}/ports/{port}/{path.lstrip('/')}"

    def delete(self) -> None:
        """Ends what runs in it and removes it."""
        self._http.json("DELETE", self._path)

    def _act(self, verb: str) -> VmInfo:
        return self._told(self._http.json("POST", f"{self._path}/{verb}", wait=None))

    def _told(self, answer: dict[str, Any]) -> VmInfo:
        self.info = read(VmInfo, answer)
        return self.info


@dataclass(frozen=True)
class Fork:
    """VMs that were made out of a running one, and how long it stood still, in microseconds."""

    vms: list[Vm]
    paused_us: int
    """How long its CPUs stood."""
    at_rest_us: int
    """How long its programs did."""
    total_us: int


class BackgroundExec:
    """A program in the background of a VM."""

    def __init__(self, http: Http, vm_path: str, info: BackgroundInfo) -> None:
        self._http = http
        self._path = f"{vm_path}/execs/{info.id}"
        self.info = info
        """What the server told last; `refresh` asks again."""

    def refresh(self) -> BackgroundInfo:
        """Asks how it is now."""
        self.info = read(BackgroundInfo, self._http.json("GET", self._path))
        return self.info

    def follow(self) -> Iterator[Output]:
        """What it wrote, as far as it is kept (128 KiB of each stream), and what it writes next, until it ends."""
        with self._http.events("GET", f"{self._path}/output", params={"encoding": "base64"}) as events:
            for event in events:
                if event.name == "exec":
                    self.info = read(BackgroundInfo, event.data)
                    return
                if event.name == "stdout":
                    yield Output("stdout", base64.b64decode(event.data["data"]))
                elif event.name == "stderr":
                    yield Output("stderr", base64.b64decode(event.data["data"]))
        raise ThawConnectionError("the server hung up before the program had ended", "it runs on")

    def wait(self) -> BackgroundInfo:
        """Waits for its end."""
        for _ in self.follow():
            pass
        return self.info

    def signal(self, number: int | signals.Signals) -> None:
        """Sends a signal to its process group."""
        self._http.json("POST", f"{self._path}/signal", json={"signal": int(number)})

    def remove(self) -> None:
        """Forgets it; one that runs is killed first."""
        self._http.json("DELETE", self._path)


class Vms:
    """VMs that stay. Found at `Thaw.vms`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self,
        image: str | None = None,
        *,
        template: str | None = None,
        snapshot: str | None = None,
        name: str | None = None,
        vcpus: int | None = None,
        memory_mib: int | None = None,
        disk_mib: int | None = None,
        env: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        idle_timeout_s: int | None = None,
        max_lifetime_s: int | None = None,
        start_timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Vm:
        """Makes a VM of an image, a template's id or a snapshot; exactly one of the three.

        `idle_timeout_s`: pause it after so long without a request; the next one wakes it. `max_lifetime_s`: delete it
        then. `start_timeout`: seconds until it must be there; 60 when absent. With `on_progress` an image's template is
        made first, however long that takes, and how far it is is told.
        """
        if on_progress is not None and image is not None:
            wanted = given(image=image, vcpus=vcpus, memory_mib=memory_mib)
            self._http.work("POST", "/v1/templates", on_progress, json=wanted)
        body = given(
            image=image,
            template=template,
            snapshot=snapshot,
            name=name,
            vcpus=vcpus,
            memory_mib=memory_mib,
            disk_mib=disk_mib,
            env=env,
            metadata=metadata,
            idle_timeout_s=idle_timeout_s,
            max_lifetime_s=max_lifetime_s,
            start_timeout_ms=milliseconds(start_timeout),
        )
        return Vm(self._http, read(VmInfo, self._http.json("POST", "/v1/vms", json=body, wait=None)))

    def get(self, name: str) -> Vm:
        """The VM of this name, this id, or an id that begins so."""
        return Vm(self._http, read(VmInfo, self._http.json("GET", f"/v1/vms/{segment(name)}")))

    def list(
        self,
        *,
        state: str | None = None,
        name: str | None = None,
        image: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Iterator[Vm]:
        """Those that fit, newest first."""
        matching = None if metadata is None else json.dumps(dict(metadata))
        params = given(state=state, name=name, image=image, metadata=matching)
        for entry in pages(self._http, "/v1/vms", params, "vms"):
            yield Vm(self._http, read(VmInfo, entry))


def pages(http: Http, path: str, params: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    """The entries of a list that comes by pages."""
    while True:
        page = http.json("GET", path, params=params)
        yield from page[field]
        if page.get("next_cursor") is None:
            return
        params = {**params, "cursor": page["next_cursor"]}
