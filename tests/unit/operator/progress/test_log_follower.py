from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.result import MAX_LOG_LINE_BYTES
from mediaimport_api.status import Step
from mediaimport_operator.progress.log_follower import LineSplitter, ProgressThrottle, StepTimer, parse, readable, tail


def line(seq: int, *, step: str = "download", **progress: int) -> bytes:
    fields_of_line = {"ts": "t", "level": "info", "msg": "m", "seq": seq, "progress": {"step": step, **progress}}
    return json.dumps(fields_of_line).encode()


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda each: b"\n" not in each)), st.integers(1, 7))
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    stream = b"".join(each + b"\n" for each in lines)
    splitter = LineSplitter()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [each for piece in pieces for each in splitter.feed(piece)] == lines


def test_a_line_that_is_too_long_is_dropped_and_the_next_one_read() -> None:
    splitter = LineSplitter()
    long = b"x" * (MAX_LOG_LINE_BYTES + 1)
    got = [each for piece in (long, long, b"end\nshort\n") for each in splitter.feed(piece)]
    assert got == [b"short"]
    assert list(splitter.feed(long + b"\nnext\n")) == [b"next"]


@given(st.binary(max_size=200))
def test_no_line_raises(hostile: bytes) -> None:
    parse(hostile)
    assert len(readable(hostile)) <= 300


def test_progress_is_reported_at_most_every_two_seconds() -> None:
    throttle = ProgressThrottle(interval_s=2)
    throttle.read(line(0, percent=1))
    assert throttle.due(0.0) is not None
    throttle.read(line(1, percent=50))
    assert throttle.due(1.9) is None
    progress = throttle.due(2.0)
    assert progress is not None
    assert progress.percent == 50


def test_less_than_one_percent_is_not_reported() -> None:
    throttle = ProgressThrottle(interval_s=0)
    throttle.read(line(0, percent=7, bytes_done=700))
    throttle.due(0)
    throttle.read(line(1, percent=7, bytes_done=750))
    assert throttle.due(1) is None


def test_another_step_is_reported() -> None:
    throttle = ProgressThrottle(interval_s=0)
    throttle.read(line(0, percent=7))
    throttle.due(0)
    throttle.read(line(1, step="probe", percent=7))
    progress = throttle.due(1)
    assert progress is not None
    assert progress.step is Step.PROBE


def test_bytes_count_where_the_total_is_unknown() -> None:
    throttle = ProgressThrottle(interval_s=0)
    throttle.read(line(0, bytesDone=1000))
    throttle.due(0)
    throttle.read(line(1, bytesDone=1009))
    assert throttle.due(1) is None
    throttle.read(line(2, bytesDone=1010))
    assert throttle.due(2) is not None


def test_lines_that_repeat_after_a_reconnection_are_ignored() -> None:
    throttle = ProgressThrottle(interval_s=0)
    throttle.read(line(5, percent=50))
    throttle.read(line(1, percent=10))
    assert throttle.latest is not None
    assert throttle.latest.percent == 50


def test_a_tail_is_the_last_lines_that_fit() -> None:
    assert tail([b"one", b"two", b"three"], limit=10) == "two\nthree"
    assert tail([], limit=10) is None
    assert tail([b"", b"  "], limit=10) is None


def test_a_tail_gives_no_secret_away() -> None:
    assert tail([b"GET https://a:b@h.example/x?sig=1 failed"], limit=99) == "GET https://h.example/x failed"


def timed(second: int, seq: int, **fields: object) -> bytes:
    fields_of_line = {"ts": f"2030-01-01T12:00:{second:02}.000Z", "level": "info", "msg": "m", "seq": seq, **fields}
    return json.dumps(fields_of_line).encode()


def test_steps_are_timed_to_the_next_one_and_the_last_to_the_result() -> None:
    lines = [
        timed(0, 1, progress={"step": "connect"}),
        timed(1, 2, progress={"step": "download"}),
        timed(3, 3, progress={"step": "download", "percent": 50}),
        timed(3, 4),
        timed(5, 5, progress={"step": "commit"}),
        timed(6, 6, reason="Imported"),
    ]
    watch, parsed = StepTimer(), [parse(each) for each in lines]
    ends = [watch.read(each) for each in parsed if each is not None]
    assert [each for each in ends if each] == [(Step.CONNECT, 1.0), (Step.DOWNLOAD, 4.0), (Step.COMMIT, 1.0)]


def test_a_clock_that_cannot_be_read_times_nothing() -> None:
    watch = StepTimer()
    for step in ("connect", "download"):
        parsed = parse(line(1, step=step))
        assert parsed is not None
        assert watch.read(parsed) is None


def test_what_the_importer_waits_for_is_reported_when_it_begins_and_when_it_ends() -> None:
    throttle = ProgressThrottle(interval_s=0)
    throttle.read(line(0, step="probe"))
    throttle.due(0)
    waits = {"step": "probe", "message": "the store does not answer"}
    throttle.read(json.dumps({"ts": "t", "level": "warning", "msg": "m", "seq": 1, "progress": waits}).encode())
    waiting = throttle.due(1)
    assert waiting is not None
    assert waiting.message == "the store does not answer"
    throttle.read(line(2, step="probe"))
    assert throttle.due(2) is not None
