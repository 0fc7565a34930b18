"""The client."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ._exec import Command, ExecResult, OnOutput, code, milliseconds, program, run, surroundings
from ._functions import Functions
from ._http import Http, Json, given
from ._node import Images, Keys, Pools, Templates
from ._snapshots import Snapshots
from ._vm import Vms


class Thaw:
    """A server of Thaw. Safe to be used by several threads.

    `server`: its address; `THAW_SERVER` when absent, else `http://127.0.0.1:8000`.
    `api_key`: `THAW_API_KEY` when absent.
    """

    def __init__(self, server: str | None = None, *, api_key: str | None = None) -> None:
        self._http = Http(server, api_key)
        self.vms = Vms(self._http)
        self.snapshots = Snapshots(self._http)
        self.functions = Functions(self._http)
        self.images = Images(self._http)
        self.templates = Templates(self._http)
        self.pools = Pools(self._http)
        self.keys = Keys(self._http)

    def __enter__(self) -> Thaw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def exec(
        self,
        image: str | None,
        command: Command,
        *,
        template: str | None = None,
        stdin: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        timeout: float | None = None,
        output_limit_bytes: int | None = None,
        memory_mib: int | None = None,
        vcpus: int | None = None,
        start_timeout: float | None = None,
        on_stdout: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> ExecResult:
        """Runs a program in a VM of its own: a list of arguments, or one line for `/bin/sh -c`.

        The VM is gone afterwards. `timeout`: seconds until all that it started is killed; 30 when absent, at most an
        hour. `output_limit_bytes`: kept of each stream; 10 MiB when absent. `start_timeout`: seconds to wait for a VM;
        60 when absent.
        """
        how = surroundings(stdin, env, cwd, user, timeout, output_limit_bytes)
        where = _vm(image, template, memory_mib, vcpus, start_timeout)
        return run(self._http, "/v1/exec", {**where, **program(command), **how}, on_stdout, on_stderr)

    def run_code(
        self,
        language: str,
        source: str,
        *,
        image: str | None = None,
        template: str | None = None,
        stdin: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        timeout: float | None = None,
        output_limit_bytes: int | None = None,
        memory_mib: int | None = None,
        vcpus: int | None = None,
        start_timeout: float | None = None,
        on_stdout: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> ExecResult:
        """Runs code in the interpreter that already runs in a VM of its own. The image is named like the language when
        neither it nor a template is named."""
        how = surroundings(stdin, env, cwd, user, timeout, output_limit_bytes)
        image = language if image is None and template is None else image
        where = _vm(image, template, memory_mib, vcpus, start_timeout)
        return run(self._http, "/v1/exec", {**where, **code(language, source), **how}, on_stdout, on_stderr)

    def ready(self) -> dict[str, Any]:
        """Whether it can run programs, and with which engine and memory mode. Raises `ThawError` when it can't."""
        answer: dict[str, Any] = self._http.json("GET", "/readyz")
        return answer


def _vm(
    image: str | None,
    template: str | None,
    memory_mib: int | None,
    vcpus: int | None,
    start_timeout: float | None,
) -> Json:
    return given(
        image=image,
        template=template,
        memory_mib=memory_mib,
        vcpus=vcpus,
        start_timeout_ms=milliseconds(start_timeout),
    )
