"""Programs that run to their end."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, get_type_hints

from ._errors import ThawConnectionError
from ._http import Http, Json, given
from ._records import read

OnOutput = Callable[[bytes], None]
#: A program and its arguments, or one line for `/bin/sh -c`.
Command = str | Sequence[str]


class Surroundings(TypedDict, total=False):
    """Where and for how long a program runs."""

    env: Mapping[str, str]
    """Added to the image's environment; these win."""
    cwd: str
    """The working directory; the image's when absent, else `/`."""
    user: str
    """`name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root."""
    timeout: float
    """Seconds until all that it started is killed, at most an hour."""


class RunOptions(Surroundings, total=False):
    """How a program is run to its end. `timeout` is 30 when absent."""

    stdin: bytes | str
    output_limit_bytes: int
    """Kept of each stream; the rest is thrown away, and the result says so. 10 MiB when absent."""
    on_stdout: OnOutput
    """Hears each piece of standard output as it comes."""
    on_stderr: OnOutput
    """Hears each piece of standard error as it comes."""


class FreshVmOptions(RunOptions, total=False):
    """How a program is run in a VM of its own."""

    template: str
    """A template's id, in place of an image."""
    memory_mib: int
    """The VM's memory; 256 when absent."""
    vcpus: int
    """The VM's CPUs; 1 when absent."""
    start_timeout: float
    """Seconds to wait for the VM, its image and template included; 60 when absent."""


@dataclass(frozen=True)
class TimingMicros:
    """Where the time went, in microseconds; they add up to `total`."""

    daemon: int
    queue: int
    restore: int
    resume: int
    connect: int
    exec: int
    total: int


@dataclass(frozen=True)
class GuestMicros:
    """Where it went as the guest saw it, in microseconds."""

    wake: int
    spawn: int
    run: int


@dataclass(frozen=True)
class ExecResult:
    """How a program ended, and what it wrote."""

    exit_code: int | None
    """None when a signal ended it."""
    signal: int | None
    timed_out: bool
    stdout_bytes: bytes
    stderr_bytes: bytes
    stdout_truncated: bool
    """More was written than `output_limit_bytes`; that is lost."""
    stderr_truncated: bool
    vm_id: str
    start: str
    """How its VM came to be: `parked`, `restored`, `cold` or `reused`."""
    timings_us: TimingMicros
    guest_us: GuestMicros

    @property
    def stdout(self) -> str:
        """Standard output as text; what is no UTF-8 is replaced."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; what is no UTF-8 is replaced."""
        return self.stderr_bytes.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.exit_code == 0 and not self.timed_out


def check(how: Mapping[str, Any], kind: type[Surroundings]) -> None:
    """Refuses options that `kind` has not, with a `TypeError`, as Python does with arguments."""
    known = get_type_hints(kind)
    unknown = [name for name in how if name not in known]
    if unknown:
        raise TypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")


def program(command: Command) -> Json:
    """The fields of a request that say what to run."""
    return {"command": command} if isinstance(command, str) else {"argv": list(command)}


def code(language: str, source: str) -> Json:
    """The fields of a request that say what to run, for an interpreter that waits in the VM."""
    return {"language": language, "code": source}


def surroundings(how: Surroundings) -> Json:
    """The fields of a request that say where and for how long it runs."""
    env = how.get("env")
    return given(
        env=None if env is None else dict(env),
        cwd=how.get("cwd"),
        user=how.get("user"),
        timeout_ms=milliseconds(how.get("timeout")),
    )


def milliseconds(seconds: float | None) -> int | None:
    """Seconds as the API has them."""
    return None if seconds is None else round(seconds * 1000)


def run(http: Http, path: str, body: Json, how: RunOptions) -> ExecResult:
    """Runs a program. An exception out of a callback hangs up, which ends the program."""
    outputs = {"stdout": bytearray(), "stderr": bytearray()}
    callbacks = {"stdout": how.get("on_stdout"), "stderr": how.get("on_stderr")}
    body = {**body, **surroundings(how), **_input_and_output(how)}
    with http.events("POST", path, json=body) as events:
        for event in events:
            if event.name == "exit":
                return _result(event.data, **outputs)
            if event.name in outputs:
                piece = _decoded(event.data)
                outputs[event.name] += piece
                if (callback := callbacks[event.name]) is not None:
                    callback(piece)
    raise ThawConnectionError("the server hung up before the program had ended", "it has ended the program, too")


def _input_and_output(how: RunOptions) -> Json:
    stdin = how.get("stdin")
    return given(
        stdin=stdin if isinstance(stdin, str) else None,
        stdin_base64=base64.b64encode(stdin).decode() if isinstance(stdin, bytes) else None,
        output_limit_bytes=how.get("output_limit_bytes"),
        encoding="base64",
    )


def _decoded(chunk: Json) -> bytes:
    data: str = chunk["data"]
    return base64.b64decode(data) if chunk["encoding"] == "base64" else data.encode()


def _result(exited: dict[str, Any], stdout: bytearray, stderr: bytearray) -> ExecResult:
    return ExecResult(
        exit_code=exited.get("exit_code"),
        signal=exited.get("signal"),
        timed_out=exited["timed_out"],
        stdout_bytes=bytes(stdout),
        stderr_bytes=bytes(stderr),
        stdout_truncated=exited["stdout_truncated"],
        stderr_truncated=exited["stderr_truncated"],
        vm_id=exited["vm_id"],
        start=exited["start"],
        timings_us=read(TimingMicros, exited["timings_us"]),
        guest_us=read(GuestMicros, exited["guest_us"]),
    )
