"""What goes wrong."""

from __future__ import annotations

import json
from typing import Any


class ThawError(Exception):
    """The server refused a request, or could not do it.

    Decide by `code`, which docs/API.md lists; `hint` says what to do.
    """

    def __init__(self, code: str, message: str, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message if hint is None else f"{message} ({hint})")
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
        """The HTTP status; None for an error that came after the answer had begun."""


class ThawConnectionError(ThawError):
    """The server was not reached, or broke off: code `connection_failed`. The request may have been carried out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__("connection_failed", message, hint)


def error_of(body: Any, status: int | None) -> ThawError:
    """The error in an answer's body, parsed or not."""
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body)
        except ValueError:
            body = None
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), str):
        return ThawError(error["code"], str(error.get("message", "")), error.get("hint"), status)
    return ThawError("bad_answer", f"the server answered with {status} and no description", None, status)
