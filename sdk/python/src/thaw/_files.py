"""Files of a VM."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ._errors import ThawError
from ._http import Http, given
from ._records import FileInfo, read

#: How much of an archive is held in memory before it goes into a temporary file.
_SPOOL_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20

Content = bytes | str | IO[bytes] | Iterable[bytes]


class Files:
    """The files of one VM. Paths are absolute. Found at `Vm.files`."""

    def __init__(self, http: Http, vm_path: str) -> None:
        self._http = http
        self._path = f"{vm_path}/files"

    def read(self, path: str, *, offset: int | None = None, length: int | None = None) -> bytes:
        """A file's content, or `length` bytes of it from `offset` on."""
        params = given(path=path, offset=offset, length=length)
        return self._http.request("GET", f"{self._path}/content", params=params).content

    def read_text(self, path: str) -> str:
        """A file's content as UTF-8."""
        return self.read(path).decode()

    def iter_bytes(self, path: str) -> Iterator[bytes]:
        """A file's content piece by piece, of any size."""
        with self._http.stream("GET", f"{self._path}/content", params={"path": path}) as answer:
            yield from answer.iter_bytes(_PIECE_BYTES)

    def write(
        self,
        path: str,
        content: Content,
        *,
        mode: int | None = None,
        append: bool = False,
        parents: bool = False,
    ) -> FileInfo:
        """Writes a file in one step: an upload that is cut off changes nothing.

        `mode`: permissions, such as `0o644`. `append`: add to what is there. `parents`: make missing folders.
        """
        params = given(
            path=path,
            mode=None if mode is None else f"{mode:04o}",
            append="true" if append else None,
            parents="true" if parents else None,
        )
        body: Any = content.encode() if isinstance(content, str) else content
        headers = {"content-type": "application/octet-stream"}
        url = f"{self._path}/content"
        answer = self._http.json("PUT", url, params=params, content=body, headers=headers, wait=None)
        return read(FileInfo, answer)

    def info(self, path: str) -> FileInfo:
        """What is at a path. A link is shown itself; with a slash after it, what it leads to."""
        answer = self._http.json("GET", self._path, params={"path": path, "limit": 0})
        return read(FileInfo, answer["file"])

    def list(self, path: str) -> Iterator[FileInfo]:
        """The entries of a folder, by name."""
        params: dict[str, Any] = {"path": path}
        while True:
            page = self._http.json("GET", self._path, params=params)
            entries = [read(FileInfo, entry) for entry in page.get("entries") or []]
            yield from entries
            if not page.get("more") or not entries:
                return
            params["after"] = entries[-1].name

    def mkdir(self, path: str, *, mode: int | None = None, parents: bool = False) -> FileInfo:
        """Makes a folder."""
        text = None if mode is None else f"{mode:04o}"
        body = given(path=path, mode=text, parents=parents)
        return read(FileInfo, self._http.json("POST", f"{self._path}/mkdir", json=body))

    def move(self, source: str, target: str, *, overwrite: bool = False) -> FileInfo:
        """Moves or renames a file or folder."""
        body = {"from": source, "to": target, "overwrite": overwrite}
        return read(FileInfo, self._http.json("POST", f"{self._path}/move", json=body))

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Removes a file or link, and with `recursive` a folder with all that is in it."""
        params = given(path=path, recursive="true" if recursive else None)
        self._http.json("DELETE", self._path, params=params)

    def upload(self, source: str | Path, target: str) -> None:
        """Copies a file, or a folder with all that is in it, into the VM. What is there is replaced file by file."""
        source = Path(source)
        if not source.is_dir():
            with source.open("rb") as content:
                self.write(target, content, mode=source.stat().st_mode & 0o7777, parents=True)
            return
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            with tarfile.open(fileobj=spool, mode="w") as archive:
                archive.add(source, arcname=".")
            spool.seek(0)
            pieces = iter(lambda: spool.read(_PIECE_BYTES), b"")
            headers = {"content-type": "application/x-tar"}
            url = f"{self._path}/archive"
            self._http.json("PUT", url, params={"path": target}, content=pieces, headers=headers, wait=None)

    def download(self, source: str, target: str | Path) -> None:
        """Copies a file, or a folder with all that is in it, out of the VM.

        The guest is not trusted: links and names that lead out of `target`, and devices, are an error (`tarfile`'s
        filter `data`; Python before 3.11.4 has none, and every link is an error there).
        """
        target = Path(target)
        if not self._is_folder(source):
            with target.open("wb") as file:
                for piece in self.iter_bytes(source):
                    file.write(piece)
            return
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            with self._http.stream("GET", f"{self._path}/archive", params={"path": source}) as answer:
                for piece in answer.iter_bytes(_PIECE_BYTES):
                    spool.write(piece)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as archive:
                _unpack(archive, target)

    def _is_folder(self, path: str) -> bool:
        kind = self.info(path).kind
        if kind != "symlink":
            return kind == "directory"
        try:
            return self.info(path + "/").kind == "directory"
        except ThawError as error:
            if error.code != "not_a_directory":
                raise
            return False


def _unpack(archive: tarfile.TarFile, target: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        archive.extractall(target, filter="data")
        return
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise ThawError("bad_content", f"{member.name} is a link or a device, or leads out of the folder")
        # Nothing but plain files and folders comes before it, so its place is where its name says.
        archive.extract(member, target)
