import io
import tarfile
from pathlib import Path

import pytest

from thaw._files import _unpack


def archive(*members: tarfile.TarInfo) -> tarfile.TarFile:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writing:
        for member in members:
            writing.addfile(member, io.BytesIO(b"x" * member.size))
    packed.seek(0)
    return tarfile.open(fileobj=packed)


def member(name: str, *, link: str | None = None) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    if link is None:
        info.size = 1
    else:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info


@pytest.mark.parametrize("with_filter", [True, False])
@pytest.mark.parametrize("bad", [member("../out"), member("deep/../../out"), member("link", link="../../out")])
def test_what_leads_out_of_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: tarfile.TarInfo, with_filter: bool
) -> None:
    if not with_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter"):
        return
    target = tmp_path / "deep" / "target"
    with pytest.raises(Exception, match="out"):
        _unpack(archive(member("good"), bad), target)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} <= {Path("deep/target/good")}
