"""What a node keeps: images, templates, pools, and keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ._http import Http, OnProgress, given, segment
from ._records import ImageInfo, KeyInfo, PoolInfo, TemplateInfo, read

Scope = Literal["read", "invoke", "manage", "admin"]


class Images:
    """Root file systems. Found at `Thaw.images`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> list[ImageInfo]:
        """All of them."""
        return [read(ImageInfo, each) for each in self._http.json("GET", "/v1/images")["images"]]

    def get(self, name: str) -> ImageInfo:
        """The image of this name or digest."""
        return read(ImageInfo, self._http.json("GET", f"/v1/images/{segment(name)}"))

    def add(
        self,
        source: str,
        *,
        name: str | None = None,
        username: str | None = None,
        password: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """Makes an image of `docker:NAME`, `registry:REFERENCE` or `debian:SUITE+package,…`.

        `username`, `password`: a registry's; they are not kept.
        """
        auth = None if username is None else {"username": username, "password": password or ""}
        body = given(source=source, name=name, auth=auth)
        return read(ImageInfo, self._http.work("POST", "/v1/images", on_progress, json=body))

    def add_file(
        self,
        file: str | Path,
        kind: Literal["oci-archive", "docker-archive", "rootfs", "dockerfile"],
        *,
        name: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """Makes an image of a file of this machine, which is uploaded."""
        params = given(kind=kind, name=name)
        with Path(file).open("rb") as content:
            answer = self._http.work("POST", "/v1/images", on_progress, params=params, content=content)
        return read(ImageInfo, answer)

    def delete(self, name: str) -> None:
        """Takes a name away; the image goes with its last one."""
        self._http.json("DELETE", f"/v1/images/{segment(name)}")


class Templates:
    """Frozen VMs that clones start from. Found at `Thaw.templates`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> list[TemplateInfo]:
        """All of them."""
        return [read(TemplateInfo, each) for each in self._http.json("GET", "/v1/templates")["templates"]]

    def get(self, template: str) -> TemplateInfo:
        """The template of this id."""
        return read(TemplateInfo, self._http.json("GET", f"/v1/templates/{segment(template)}"))

    def ensure(
        self,
        image: str,
        *,
        vcpus: int | None = None,
        memory_mib: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> TemplateInfo:
        """Makes it where it is missing: boots the image, freezes it, proves it."""
        body = given(image=image, vcpus=vcpus, memory_mib=memory_mib)
        return read(TemplateInfo, self._http.work("POST", "/v1/templates", on_progress, json=body))

    def delete(self, template: str) -> None:
        """Removes it, unless it is in use."""
        self._http.json("DELETE", f"/v1/templates/{segment(template)}")


class Pools:
    """Clones that wait. Found at `Thaw.pools`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> list[PoolInfo]:
        """All of them."""
        return [read(PoolInfo, each) for each in self._http.json("GET", "/v1/pools")["pools"]]

    def set(
        self,
        image: str | None = None,
        *,
        template: str | None = None,
        vcpus: int | None = None,
        memory_mib: int | None = None,
        minimum: int,
        maximum: int,
        idle: float | None = None,
    ) -> PoolInfo:
        """Says how many clones of an image, or of a template's id, are kept parked.

        `idle`: seconds without a request until only `minimum` are kept.
        """
        body = given(
            image=image,
            template=template,
            vcpus=vcpus,
            memory_mib=memory_mib,
            min=minimum,
            max=maximum,
            idle_ms=None if idle is None else round(idle * 1000),
        )
        return read(PoolInfo, self._http.json("PUT", "/v1/pools", json=body, wait=None))


class CreatedKey(NamedTuple):
    """A key that was just made."""

    secret: str
    """The key itself. This is the only time that it is told."""
    info: KeyInfo


class Keys:
    """API keys. Found at `Thaw.keys`; they need the scope `admin`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> list[KeyInfo]:
        """All of them, without their secrets."""
        return [read(KeyInfo, each) for each in self._http.json("GET", "/v1/keys")["keys"]]

    def create(self, name: str, scopes: Sequence[Scope], *, expires_in_s: int | None = None) -> CreatedKey:
        """Makes a key. `expires_in_s`: seconds until it is worth nothing; never when absent."""
        body = given(name=name, scopes=list(scopes), expires_in_s=expires_in_s)
        answer = self._http.json("POST", "/v1/keys", json=body)
        return CreatedKey(answer["key"], read(KeyInfo, answer))

    def revoke(self, key: str) -> None:
        """Makes the key of this id or name worth nothing."""
        self._http.json("DELETE", f"/v1/keys/{segment(key)}")
