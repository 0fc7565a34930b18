"""What VMs were at one moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ._http import Http, given, segment
from ._records import SnapshotInfo, read
from ._vm import Vm, Vms, pages


class Snapshot:
    """One snapshot."""

    def __init__(self, http: Http, info: SnapshotInfo) -> None:
        self._http = http
        self._path = f"/v1/snapshots/{segment(info.id)}"
        self.info = info

    def __repr__(self) -> str:
        return f"Snapshot({self.info.name!r}, vm={self.info.vm!r})"

    def restore(self, **how: Any) -> Vm:
        """Makes a VM that begins where the snapshot was taken. Takes what `Vms.create` takes besides its source."""
        return Vms(self._http).create(snapshot=self.info.id, **how)

    def update(
        self,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        metadata_merge: Mapping[str, str | None] | None = None,
    ) -> SnapshotInfo:
        """Changes what is given.

        `metadata` replaces all of it; `metadata_merge` sets keys, and removes those with None.
        """
        body = given(name=name, metadata=metadata, metadata_merge=metadata_merge)
        self.info = read(SnapshotInfo, self._http.json("PATCH", self._path, json=body))
        return self.info

    def delete(self) -> None:
        """Removes it; VMs that were made of it stay."""
        self._http.json("DELETE", self._path)


class Snapshots:
    """Snapshots. Found at `Thaw.snapshots`; `Vm.snapshot` makes one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, name: str) -> Snapshot:
        """The snapshot of this name or id."""
        answer = self._http.json("GET", f"/v1/snapshots/{segment(name)}")
        return Snapshot(self._http, read(SnapshotInfo, answer))

    def list(self, *, metadata: Mapping[str, str] | None = None) -> Iterator[Snapshot]:
        """Those that fit, newest first."""
        params = given(metadata=None if metadata is None else json.dumps(dict(metadata)))
        for entry in pages(self._http, "/v1/snapshots", params, "snapshots"):
            yield Snapshot(self._http, read(SnapshotInfo, entry))
