"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as Thaw sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    data: Any
    """What it carries, parsed from JSON."""


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in lines without their ends. One that is cut off is left out."""
    name, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(name, json.loads("\n".join(data)))
            name, data = "message", []
        elif line.startswith("event:"):
            name = line[len("event:") :].strip()
        elif line.startswith("data:"):
            data.append(line[len("data:") :].removeprefix(" "))
