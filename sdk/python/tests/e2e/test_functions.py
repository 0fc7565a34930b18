import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from thaw import Function, FunctionEvent, Progress, Thaw, ThawError

SOURCE = """
def handle(event, context):
    if event == "wrong":
        raise KeyError(event)
    print("seen", event)
    return {"got": event}

def pieces(event, context):
    yield "a"
    yield b"b"
"""


@pytest.fixture
def function(thaw: Thaw, tmp_path: Path) -> Iterator[Function]:
    # Code that was never deployed here: what was is found again, without a bake to tell of.
    (tmp_path / "app.py").write_text(f"{SOURCE}\n# {uuid.uuid4()}\n")
    told = list[Progress]()
    made = thaw.functions.deploy(
        "sdk-echo", "python", "python", handler="app.handle", code=tmp_path, on_progress=told.append
    )
    assert "initialising the function" in {step.message for step in told}
    yield made
    made.delete()


def settled(function: Function, event: str) -> FunctionEvent:
    deadline = time.monotonic() + 60
    while (found := function.event(event)).state == "queued":
        assert time.monotonic() < deadline, found
    return found


def test_a_function_gets_events_and_answers(thaw: Thaw, function: Function) -> None:
    answer = function.invoke({"n": 1}, request_id="sdk-1")
    assert (answer.value, answer.error, answer.request_id) == ({"got": {"n": 1}}, None, "sdk-1")
    assert answer.timings_us["total"] > 0
    (log,) = function.logs(request_id="sdk-1")
    assert log.text == "seen {'n': 1}\n"
    wrong = function.invoke("wrong")
    assert (wrong.error, wrong.value["errorType"]) == ("raised", "KeyError")
    assert next(function.follow_logs()).request_id == "sdk-1"
    assert [each.info.name for each in thaw.functions.list()] == ["sdk-echo"]
    event = settled(function, function.queue([1, 2]))
    assert event.result == b'{"got": [1, 2]}'


def test_versions_and_aliases(thaw: Thaw, function: Function, tmp_path: Path) -> None:
    second = thaw.functions.deploy("sdk-echo", "python", "python", handler="app.pieces", code=tmp_path)
    assert [version.version for version in second.versions()] == [1, 2]
    assert b"".join(second.stream({})) == b"ab"
    function.set_alias("live", 1)
    assert function.invoke(1, qualifier="live").version == 1
    function.set_alias("live", {1: 0.5, 2: 0.5})
    assert function.roll_back_alias("live").versions == {"1": 1.0}
    assert function.refresh().aliases[0].name == "live"
    function.remove_alias("live")
    with pytest.raises(ThawError) as raised:
        function.invoke(1, qualifier="live")
    assert raised.value.status == 404
