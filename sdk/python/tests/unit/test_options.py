from typing import Any

import pytest

from thaw import Thaw


@pytest.mark.parametrize("how", [{"timout": 5}, {"on_stdot": print}, {"memory": 1}])
def test_an_option_that_there_is_none_of_is_refused(how: dict[str, Any]) -> None:
    with Thaw("http://127.0.0.1:1") as thaw, pytest.raises(TypeError, match="timeout"):
        thaw.exec("python", ["true"], **how)
