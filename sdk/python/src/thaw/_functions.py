"""Code that is frozen after its initialisation and given events."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ._http import Http, OnProgress, given, segment
from ._records import Alias, FunctionInfo, FunctionVersion, read

Kind = Literal["python", "node", "command", "lambda", "http"]


class InvokeResult(NamedTuple):
    """What a function returned."""

    body: bytes
    """What it returned; of what went wrong a description as JSON."""
    content_type: str
    error: str | None
    """`raised`, `restore_failed`, `timed_out`, `ended` or `result_too_large`; None when it returned."""
    request_id: str
    version: int
    start: str
    """How its clone came to be: `parked`, `restored`, `cold` or `reused`."""
    timings_us: dict[str, int]
    """Where the time went, in microseconds."""

    @property
    def value(self) -> Any:
        """What it returned, parsed from JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class FunctionLog:
    """The log of one invocation."""

    sequence: int
    request_id: str
    version: int
    ended_at_ms: int
    duration_us: int
    text: str
    truncated: bool
    error: str | None = None


@dataclass(frozen=True)
class FunctionEvent:
    """An event that was queued."""

    id: str
    state: Literal["queued", "done", "dead"]
    attempts: int
    created_at_ms: int
    due_at_ms: int
    event_bytes: int
    qualifier: str | None = None
    ended_at_ms: int | None = None
    error: str | None = None
    event_base64: str | None = None
    content_type: str | None = None
    result_base64: str | None = None
    result_type: str | None = None

    @property
    def result(self) -> bytes | None:
        """What the function returned; lists don't tell it."""
        return None if self.result_base64 is None else base64.b64decode(self.result_base64)


class Function:
    """One function."""

    def __init__(self, http: Http, info: FunctionInfo) -> None:
        self._http = http
        self._path = f"/v1/functions/{segment(info.name)}"
        self.info = info
        """What the server told last; `refresh` asks again."""

    def __repr__(self) -> str:
        return f"Function({self.info.name!r}, version={self.info.newest.version})"

    def invoke(
        self, event: Any = None, *, qualifier: str | int | None = None, request_id: str | None = None
    ) -> InvokeResult:
        """Gives it an event: bytes as they are, anything else as JSON.

        What the function does wrong is in the result and raises nothing. `qualifier`: a version or an alias.
        """
        answer = self._http.request("POST", f"{self._path}/invoke", wait=None, **_sent(event, qualifier, request_id))
        headers = answer.headers
        timings = (stage.split("=") for stage in headers.get("x-thaw-timings-us", "").split(", ") if stage)
        return InvokeResult(
            body=answer.content,
            content_type=headers.get("content-type", ""),
            error=headers.get("x-thaw-function-error"),
            request_id=headers["x-thaw-request-id"],
            version=int(headers["x-thaw-version"]),
            start=headers["x-thaw-start"],
            timings_us={name: int(time) for name, time in timings},
        )

    def stream(self, event: Any = None, *, qualifier: str | int | None = None) -> Iterator[bytes]:
        """Gives it an event; its answer piece by piece, as it makes them. Leaving ends it."""
        how = _sent(event, qualifier, None)
        how["params"] = {**how["params"], "mode": "stream"}
        with self._http.stream("POST", f"{self._path}/invoke", **how) as answer:
            yield from answer.iter_raw()

    def queue(self, event: Any = None, *, qualifier: str | int | None = None, request_id: str | None = None) -> str:
        """Queues an event, which is served later, at least once; returns its id.

        `request_id` becomes that id: sent twice under it, an event is taken once.
        """
        how = _sent(event, qualifier, request_id)
        how["params"] = {**how["params"], "mode": "async"}
        queued: str = self._http.json("POST", f"{self._path}/invoke", **how)["id"]
        return queued

    def event(self, event_id: str) -> FunctionEvent:
        """A queued event, with what it holds and what came of it."""
        return read(FunctionEvent, self._http.json("GET", f"{self._path}/events/{segment(event_id)}"))

    def events(self, state: Literal["queued", "done", "dead"] = "dead", *, limit: int = 100) -> list[FunctionEvent]:
        """The newest queued events of a state."""
        answer = self._http.json("GET", f"{self._path}/events", params={"state": state, "limit": limit})
        return [read(FunctionEvent, each) for each in answer["events"]]

    def retry(self, event_id: str) -> FunctionEvent:
        """Queues an event again that was given up."""
        return read(FunctionEvent, self._http.json("POST", f"{self._path}/events/{segment(event_id)}/retry"))

    def remove_event(self, event_id: str) -> None:
        """Forgets a queued event."""
        self._http.json("DELETE", f"{self._path}/events/{segment(event_id)}")

    def logs(
        self, *, request_id: str | None = None, errors: bool = False, limit: int | None = None
    ) -> list[FunctionLog]:
        """What its invocations said, oldest first; kept in the server's memory."""
        params = given(request_id=request_id, errors="true" if errors else None, limit=limit)
        answer = self._http.json("GET", f"{self._path}/logs", params=params)
        return [read(FunctionLog, each) for each in answer["logs"]]

    def follow_logs(self, *, after: int | None = None) -> Iterator[FunctionLog]:
        """The logs that are there and those that come, until the function is removed."""
        with self._http.events("GET", f"{self._path}/logs", params=given(after=after)) as events:
            for event in events:
                if event.name == "log":
                    yield read(FunctionLog, event.data)

    def versions(self) -> list[FunctionVersion]:
        """Its versions, oldest first."""
        answer = self._http.json("GET", f"{self._path}/versions")
        return [read(FunctionVersion, each) for each in answer["versions"]]

    def set_alias(self, alias: str, versions: Mapping[int, float] | int) -> Alias:
        """Leads a name to a version, or to several with weights."""
        weights = {versions: 1.0} if isinstance(versions, int) else versions
        body = {"versions": {str(version): weight for version, weight in weights.items()}}
        return read(Alias, self._http.json("PUT", f"{self._path}/aliases/{segment(alias)}", json=body))

    def roll_back_alias(self, alias: str) -> Alias:
        """Leads a name where it led before."""
        return read(Alias, self._http.json("POST", f"{self._path}/aliases/{segment(alias)}/rollback"))

    def remove_alias(self, alias: str) -> None:
        """Removes a name."""
        self._http.json("DELETE", f"{self._path}/aliases/{segment(alias)}")

    def refresh(self) -> FunctionInfo:
        """Asks what it is like now."""
        self.info = _info(self._http.json("GET", self._path))
        return self.info

    def delete(self, *, version: int | None = None) -> None:
        """Removes it, or one of its versions."""
        self._http.json("DELETE", self._path if version is None else f"{self._path}/versions/{version}")


class Functions:
    """Functions. Found at `Thaw.functions`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> list[Function]:
        """All of them."""
        answer = self._http.json("GET", "/v1/functions")
        return [Function(self._http, _info(each)) for each in answer["functions"]]

    def get(self, name: str) -> Function:
        """The function of this name."""
        return Function(self._http, _info(self._http.json("GET", f"/v1/functions/{segment(name)}")))

    def deploy(
        self,
        name: str,
        image: str,
        kind: Kind,
        *,
        code: str | Path | bytes | None = None,
        handler: str | None = None,
        command: Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> Function:
        """Deploys a function, or another version of one: loads its code, initialises it, freezes it.

        `code`: a folder, or a zip, tar or tar.gz as a file or as bytes. `handler`: `module.function`. `settings`: the
        other fields of docs/API.md's DeployFunctionRequest, such as `memory_mib`, `timeout_ms`, `reuse` or `env`.
        """
        wanted = given(
            name=name,
            image=image,
            kind=kind,
            handler=handler,
            command=None if command is None else list(command),
            **settings,
        )
        form: dict[str, Any] = {"function": (None, json.dumps(wanted), "application/json")}
        if code is not None:
            form["code"] = ("code", _packed(code), "application/octet-stream")
        answer = self._http.work("POST", "/v1/functions", on_progress, files=form)
        return Function(self._http, _info(answer))


def _sent(event: Any, qualifier: str | int | None, request_id: str | None) -> dict[str, Any]:
    params = given(qualifier=None if qualifier is None else str(qualifier))
    headers = given(**{"x-thaw-request-id": request_id})
    if isinstance(event, bytes):
        return {"params": params, "headers": headers, "content": event}
    headers["content-type"] = "application/json"
    return {"params": params, "headers": headers, "content": json.dumps(event).encode()}


def _packed(code: str | Path | bytes) -> bytes:
    if isinstance(code, bytes):
        return code
    path = Path(code)
    if not path.is_dir():
        return path.read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for entry in sorted(path.iterdir()):
            archive.add(entry, arcname=entry.name)
    return packed.getvalue()


def _info(answer: dict[str, Any]) -> FunctionInfo:
    return replace(
        read(FunctionInfo, answer),
        newest=read(FunctionVersion, answer["newest"]),
        aliases=[read(Alias, each) for each in answer["aliases"]],
    )
