"""Programs that are talked to while they run, over WebSockets."""

from __future__ import annotations

import json
import signal as signals
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ._errors import ThawConnectionError, error_of
from ._http import Http, Json, given

_CHANNELS: dict[int, Literal["stdout", "stderr"]] = {1: "stdout", 2: "stderr"}
#: The server takes messages of 1 MiB.
_PIECE_BYTES = 512 << 10
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Exit:
    """How a program ended."""

    exit_code: int | None
    """None when a signal ended it."""
    signal: int | None
    timed_out: bool


@dataclass(frozen=True)
class Output:
    """What a program wrote."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class _Socket:
    """One program and its WebSocket. Leaving (`close`, or the end of `with`) ends the program."""

    def __init__(self, http: Http, path: str) -> None:
        self._stack = ExitStack()
        try:
            # It may connect right here, or when it is entered: that depends on the library's version.
            how = connect(
                http.websocket_url(path),
                additional_headers=http.headers,
                open_timeout=_CONNECT_SECONDS,
                max_size=None,
                compression=None,
                proxy=None,
            )
            self._socket: ClientConnection = self._stack.enter_context(how)
        except InvalidStatus as error:
            raise error_of(error.response.body, error.response.status_code) from error
        except OSError as error:
            raise ThawConnectionError(f"{http.server} could not be reached: {error}") from error
        self._exit: Exit | None = None

    def _message(self) -> bytes | None:
        """The next piece of output; None once the program has ended."""
        if self._exit is not None:
            return None
        try:
            message = self._socket.recv()
        except ConnectionClosed as error:
            raise ThawConnectionError("the connection broke, which has ended the program") from error
        if isinstance(message, bytes):
            return message
        end = json.loads(message)
        if end["type"] == "error":
            raise error_of(end, None)
        self._exit = Exit(end.get("exit_code"), end.get("signal"), end["timed_out"])
        self.close()
        return None

    def _send(self, message: bytes | str) -> None:
        try:
            self._socket.send(message)
        except ConnectionClosed as error:
            if self._exit is None:
                raise ThawConnectionError("the program has ended, or the connection is broken") from error

    def write(self, data: bytes | str) -> None:
        """Gives the program input. Blocks while it does not read."""
        data = data.encode() if isinstance(data, str) else data
        for start in range(0, len(data), _PIECE_BYTES):
            self._send(data[start : start + _PIECE_BYTES])

    def signal(self, number: int | signals.Signals) -> None:
        """Sends a signal to the program's process group."""
        self._send(json.dumps({"type": "signal", "signal": int(number)}))

    def resize(self, cols: int, rows: int) -> None:
        """Tells the program that its terminal has another size, in character cells (1 to 1000)."""
        self._send(json.dumps({"type": "resize", "cols": cols, "rows": rows}))

    def close(self) -> None:
        """Leaves; a program that still runs is ended."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class Process(_Socket):
    """A program with standard input. Iterate over it for its output; then `wait` tells how it ended."""

    def __init__(self, http: Http, path: str, start: Json) -> None:
        super().__init__(http, path)
        self._send(json.dumps(start))

    def __iter__(self) -> Iterator[Output]:
        while (message := self._message()) is not None:
            yield Output(_CHANNELS[message[0]], message[1:])

    def end_input(self) -> None:
        """Closes the program's standard input."""
        self._send(json.dumps({"type": "stdin_end"}))

    def wait(self) -> Exit:
        """How it ended. Output that nobody has read is thrown away."""
        for _ in self:
            pass
        assert self._exit is not None, "the iteration ends with the program"
        return self._exit


class Terminal(_Socket):
    """A terminal in a VM. Iterate over it for what it shows; then `wait` tells how its program ended."""

    def __iter__(self) -> Iterator[bytes]:
        while (message := self._message()) is not None:
            yield message

    def wait(self) -> Exit:
        """How its program ended. What it shows meanwhile is thrown away."""
        for _ in self:
            pass
        assert self._exit is not None, "the iteration ends with the program"
        return self._exit


def spawn(http: Http, vm_path: str, how: Json, *, stdin: bool, tty: tuple[int, int] | None) -> Process:
    """Starts a program. See `Vm.spawn`."""
    size = None if tty is None else {"cols": tty[0], "rows": tty[1]}
    return Process(http, f"{vm_path}/exec/ws", given(exec=how, stdin=stdin, tty=size))


def terminal(http: Http, vm_path: str, how: Json) -> Terminal:
    """Opens a terminal. See `Vm.terminal`."""
    return Terminal(http, f"{vm_path}/terminal?{urlencode(how)}")
