import pytest

from thaw import Thaw, ThawConnectionError
from thaw._errors import error_of


def test_an_error_has_its_code_its_words_and_its_hint() -> None:
    error = error_of(b'{"error": {"code": "vm_not_found", "message": "none", "hint": "look"}}', 404)
    assert (error.code, error.message, error.hint, error.status) == ("vm_not_found", "none", "look", 404)
    assert str(error) == "none (look)"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"error": "oh"}', {"error": {}}, None])
def test_what_is_no_description_is_told_with_its_status(body: object) -> None:
    error = error_of(body, 502)
    assert error.code == "bad_answer"
    assert "502" in error.message


def test_a_server_that_is_not_there_is_told_with_what_to_do() -> None:
    with Thaw("http://127.0.0.1:1") as thaw, pytest.raises(ThawConnectionError) as raised:
        thaw.exec("python", ["true"])
    assert "127.0.0.1:1" in raised.value.message
    assert "thaw serve" in (raised.value.hint or "")
