import pytest

from thaw._errors import ThawConnectionError
from thaw._http import Http
from thaw._process import terminal


def test_a_server_that_is_not_there_is_told_by_a_terminal_too() -> None:
    with pytest.raises(ThawConnectionError):
        terminal(Http("http://127.0.0.1:1", None), "/v1/vms/vm-1", {})
