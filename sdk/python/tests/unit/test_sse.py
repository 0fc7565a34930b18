from thaw._sse import Event, events


def test_events_have_names_and_json_and_comments_are_no_events() -> None:
    lines = ["event: stdout", 'data: {"data": "a"}', "", ": a sign of life", "", 'data:"b"', ""]
    assert list(events(lines)) == [Event("stdout", {"data": "a"}), Event("message", "b")]


def test_data_of_several_lines_is_one() -> None:
    assert list(events(["data: [1,", "data: 2]", ""])) == [Event("message", [1, 2])]


def test_an_event_that_is_cut_off_is_left_out() -> None:
    assert list(events(["event: exit", "data: {}"])) == []
