"""The client."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Unpack

from ._exec import Command, ExecResult, FreshVmOptions, check, code, milliseconds, program, run
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

    def exec(self, image: str | None, command: Command, **how: Unpack[FreshVmOptions]) -> ExecResult:
        """Runs a program in a VM of its own, which is gone afterwards.

        `command`: a list of arguments, or one line for `/bin/sh -c`. `image`: None with `template`.
        """
        check(how, FreshVmOptions)
        return run(self._http, "/v1/exec", {**_vm(image, how), **program(command)}, how)

    def run_code(
        self, language: str, source: str, *, image: str | None = None, **how: Unpack[FreshVmOptions]
    ) -> ExecResult:
        """Runs code in the interpreter that already runs in a VM of its own.

        The image is named like the language when neither it nor a template is named.
        """
        check(how, FreshVmOptions)
        image = language if image is None and "template" not in how else image
        return run(self._http, "/v1/exec", {**_vm(image, how), **code(language, source)}, how)

    def ready(self) -> dict[str, Any]:
        """Whether it can run programs, and with which engine and memory mode. Raises `ThawError` when it can't."""
        answer: dict[str, Any] = self._http.json("GET", "/readyz")
        return answer


def _vm(image: str | None, how: FreshVmOptions) -> Json:
    return given(
        image=image,
        template=how.get("template"),
        memory_mib=how.get("memory_mib"),
        vcpus=how.get("vcpus"),
        start_timeout_ms=milliseconds(how.get("start_timeout")),
    )
