"""What the server tells, as records. Fields that this version does not know are left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

_Record = TypeVar("_Record")


def read(kind: type[_Record], data: dict[str, Any]) -> _Record:
    """A record out of an answer's JSON."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in data.items() if name in names})


@dataclass(frozen=True)
class Progress:
    """How far long work is."""

    message: str
    done_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True)
class VmInfo:
    """A VM. Times are seconds since 1970-01-01 UTC."""

    id: str
    state: Literal["running", "paused", "stopped"]
    image: str
    image_digest: str
    template: str
    vcpus: int
    memory_mib: int
    disk_mib: int
    created_at: int
    env: dict[str, str]
    metadata: dict[str, str]
    name: str | None = None
    paused_by: Literal["request", "idle"] | None = None
    stopped_reason: str | None = None
    snapshot: str | None = None
    idle_timeout_s: int | None = None
    max_lifetime_s: int | None = None
    expires_at: int | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VmUsage:
    """What a VM uses: as its guest counts (None unless it runs), and as the host does."""

    id: str
    state: str
    host: dict[str, Any]
    guest: dict[str, int] | None = None
    name: str | None = None


@dataclass(frozen=True)
class BackgroundInfo:
    """A program that runs, or ran, in the background of a VM."""

    id: int
    command: str
    running: bool
    started_at_ms: int
    timed_out: bool
    stdout: dict[str, int]
    stderr: dict[str, int]
    ended_at_ms: int | None = None
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True)
class FileInfo:
    """A file of a VM."""

    name: str
    kind: Literal["file", "directory", "symlink", "fifo", "socket", "char_device", "block_device", "unknown"]
    size_bytes: int
    mode: str
    """Octal, such as `0644`."""
    uid: int
    gid: int
    modified_ms: int
    target: str | None = None
    """Where a symbolic link leads."""
    name_base64: str | None = None
    """The name, where it is no UTF-8."""


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot of a VM."""

    id: str
    name: str
    vm: str
    image: str
    image_digest: str
    template: str
    vcpus: int
    memory_mib: int
    memory_bytes: int
    disk_bytes: int
    created_at: int
    paused_us: int
    total_us: int
    env: dict[str, str]
    metadata: dict[str, str]
    vm_name: str | None = None
    unusable: str | None = None
    """Why no VM can be made of it."""


@dataclass(frozen=True)
class ImageInfo:
    """A root file system."""

    digest: str
    names: list[str]
    source: str
    fs: str
    size_bytes: int
    created_at: int
    config: dict[str, Any]


@dataclass(frozen=True)
class TemplateInfo:
    """A frozen VM that clones start from."""

    id: str
    image: str
    image_names: list[str]
    vcpus: int
    memory_mib: int
    engine: str
    kernel: str
    agent: str
    languages: list[str]
    memory_format: str
    disk_bytes: int
    resident_bytes: int
    created_at: int
    bake_ms: int
    in_use: int
    working_set_pages: int | None = None
    last_restores: list[dict[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class PoolInfo:
    """Clones of a template that wait."""

    template: str
    min: int
    max: int
    idle_ms: int
    target: int
    parked: int
    starting: int
    leased: int
    waiting: int
    shells: int
    failures: int
    last_error: str | None = None


@dataclass(frozen=True)
class KeyInfo:
    """An API key, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None


@dataclass(frozen=True)
class Alias:
    """A name for versions of a function, with the weight of each."""

    name: str
    versions: dict[str, float]
    previous: dict[str, float] | None = None


@dataclass(frozen=True)
class FunctionVersion:
    """One deploy of a function."""

    version: int
    kind: Literal["python", "node", "command", "lambda", "http"]
    image: str
    template: str
    vcpus: int
    memory_mib: int
    timeout_ms: int
    concurrency: int
    queue: int
    min_warm: int
    max_warm: int
    reuse: int
    env: list[str]
    """The names of its variables; their values are not told."""
    code_sha256: str
    code_bytes: int
    created_at_ms: int
    handler: str | None = None
    command: list[str] | None = None
    port: int | None = None
    image_digest: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FunctionInfo:
    """A function."""

    name: str
    newest: FunctionVersion
    versions: int
    aliases: list[Alias]
    running: int
    waiting: int
    created_at_ms: int
    last_error: dict[str, str] | None = None
