"""Requests to one server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from ._errors import ThawConnectionError, ThawError, error_of
from ._records import Progress, read
from ._sse import Event, events

DEFAULT_SERVER = "http://127.0.0.1:8000"

#: Seconds until a server that says nothing at all is given up. Streams have a sign of life every 15.
_SILENCE = 90.0
_CONNECT = 10.0

Json = dict[str, Any]
OnProgress = Callable[[Progress], None]


class Http:
    """One server and the key for it."""

    def __init__(self, server: str | None, api_key: str | None) -> None:
        self.server = (server or os.environ.get("THAW_SERVER") or DEFAULT_SERVER).rstrip("/")
        key = api_key or os.environ.get("THAW_API_KEY")
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=self.server,
            headers=self.headers,
            timeout=httpx.Timeout(_SILENCE, connect=_CONNECT),
            limits=httpx.Limits(max_connections=None),
        )

    def close(self) -> None:
        self._client.close()

    def json(self, method: str, path: str, *, wait: float | None = _SILENCE, **how: Any) -> Any:
        """Sends a request; the answer's JSON, None where there is no content.

        `wait`: seconds until an answer must begin. None: as long as the server takes.
        """
        answer = self.request(method, path, wait=wait, **how)
        return answer.json() if answer.content else None

    def request(self, method: str, path: str, *, wait: float | None = _SILENCE, **how: Any) -> httpx.Response:
        with self._failures():
            timeout = httpx.Timeout(wait, connect=_CONNECT)
            answer = self._client.request(method, path, timeout=timeout, **_without_none(how))
        if answer.is_error:
            raise error_of(answer.content, answer.status_code)
        return answer

    @contextmanager
    def stream(self, method: str, path: str, **how: Any) -> Iterator[httpx.Response]:
        """An answer whose body is read as it comes. Leaving hangs up."""
        with self._failures(), self._client.stream(method, path, **_without_none(how)) as answer:
            if answer.is_error:
                raise error_of(answer.read(), answer.status_code)
            yield answer

    @contextmanager
    def events(self, method: str, path: str, **how: Any) -> Iterator[Iterator[Event]]:
        """The events of an answer. Leaving hangs up. An event `error` is raised."""
        headers = {"accept": "text/event-stream"}
        with self.stream(method, path, headers=headers, **how) as answer:
            yield _without_errors(events(answer.iter_lines()))

    def work(self, method: str, path: str, on_progress: OnProgress | None, **how: Any) -> Any:
        """Long work: its result. `on_progress` hears how far it is."""
        with self.events(method, path, **how) as steps:
            for step in steps:
                if step.name == "done":
                    return step.data
                if step.name == "progress" and on_progress is not None:
                    on_progress(read(Progress, step.data))
        raise ThawConnectionError("the server hung up before the work was done", "it may still go on there")

    def websocket_url(self, path: str) -> str:
        return self.server.replace("http", "ws", 1) + path

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            hint = "is `thaw serve` running there? THAW_SERVER or Thaw(server=…) names another address"
            raise ThawConnectionError(f"{self.server} could not be reached: {error}", hint) from error
        except httpx.TransportError as error:
            raise ThawConnectionError(f"the connection to {self.server} broke: {error!r}") from error


def segment(text: str) -> str:
    """One segment of a path, whatever is in it."""
    return quote(text, safe="")


def given(**fields: Any) -> Json:
    """The fields that are not None."""
    return _without_none(fields)


def _without_none(fields: Mapping[str, Any]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _without_errors(stream: Iterator[Event]) -> Iterator[Event]:
    for event in stream:
        if event.name == "error":
            raise error_of(event.data, None)
        yield event


__all__ = ["DEFAULT_SERVER", "Http", "Json", "OnProgress", "ThawError", "given", "segment"]
