import io
import tarfile
from pathlib import Path

from thaw._functions import _packed
from thaw._http import given, segment
from thaw._records import Progress, read


def test_fields_of_a_later_server_are_left_out() -> None:
    assert read(Progress, {"message": "on", "moon": "full"}) == Progress("on")


def test_what_is_not_given_is_not_sent_and_what_is_false_or_zero_is() -> None:
    assert given(a=None, b=0, c=False, d="") == {"b": 0, "c": False, "d": ""}


def test_a_name_is_one_segment_whatever_is_in_it() -> None:
    assert segment("../a b/ä") == "..%2Fa%20b%2F%C3%A4"


def test_a_folder_is_packed_with_names_from_inside_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "more.py").write_text("y = 2")
    with tarfile.open(fileobj=io.BytesIO(_packed(tmp_path))) as archive:
        assert archive.getnames() == ["app.py", "deep", "deep/more.py"]
