import pytest

from thaw import RunOptions, Thaw, ThawError


def test_code_runs_in_a_fresh_vm(thaw: Thaw) -> None:
    done = thaw.run_code("python", "import sys; print(6*7); print('no', file=sys.stderr); sys.exit(3)")
    assert (done.stdout, done.stderr, done.exit_code, done.ok) == ("42\n", "no\n", 3, False)
    assert done.start in {"parked", "restored", "cold"}
    assert done.timings_us.total >= done.timings_us.exec > 0


def test_a_program_has_its_surroundings_and_its_output_comes_as_it_is_written(thaw: Thaw) -> None:
    pieces = list[bytes]()
    line = "cat; pwd; echo $WHO; id -un"
    how: RunOptions = {"stdin": b"\xff\x00in", "env": {"WHO": "me"}, "cwd": "/tmp", "user": "nobody"}
    how["on_stdout"] = pieces.append
    done = thaw.exec("python", line, **how)
    assert done.ok
    assert done.stdout_bytes == b"\xff\x00in/tmp\nme\nnobody\n"
    assert b"".join(pieces) == done.stdout_bytes


def test_a_time_limit_and_an_output_limit_are_told(thaw: Thaw) -> None:
    done = thaw.exec("python", ["sleep", "60"], timeout=0.3)
    assert (done.timed_out, done.exit_code, done.ok) == (True, None, False)
    done = thaw.exec("python", ["echo", "too long"], output_limit_bytes=5)
    assert (done.stdout, done.stdout_truncated) == ("too l", True)


def test_an_exception_in_a_callback_hangs_up(thaw: Thaw) -> None:
    def stop(_: bytes) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        thaw.exec("python", "echo; sleep 60", on_stdout=stop)


def test_a_program_that_is_not_there_is_an_error_with_a_hint(thaw: Thaw) -> None:
    with pytest.raises(ThawError) as raised:
        thaw.exec("python", ["no-such-program"])
    assert raised.value.code == "program_not_found"
    assert raised.value.hint


def test_mistakes_are_told_all_at_once(thaw: Thaw) -> None:
    with pytest.raises(ThawError) as raised:
        thaw.exec("python", ["true"], memory_mib=1, vcpus=100)
    assert (raised.value.code, raised.value.status) == ("invalid_request", 422)
    assert "memory_mib" in raised.value.message
    assert "vcpus" in raised.value.message
