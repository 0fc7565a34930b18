import os
from collections.abc import Iterator

import pytest

from thaw import Thaw, Vm


@pytest.fixture(scope="session")
def thaw() -> Iterator[Thaw]:
    server = os.environ.get("THAW_URL")
    assert server, "THAW_URL says which daemon to test against"
    with Thaw(server) as client:
        yield client


@pytest.fixture
def vm(thaw: Thaw) -> Iterator[Vm]:
    with thaw.vms.create("python", start_timeout=120) as made:
        yield made
