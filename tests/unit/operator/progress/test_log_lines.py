from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.result import MAX_LOG_LINE_BYTES
from mediaimport_api.status import Step
from mediaimport_operator.progress.log_lines import Gauge, Splitter, Stopwatch, parse, readable, tail


def line(seq: int, *, step: str = "download", **progress: int) -> bytes:
    told = {"ts": "t", "level": "info", "msg": "m", "seq": seq, "progress": {"step": step, **progress}}
    return json.dumps(told).encode()


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda each: b"\n" not in each)), st.integers(1, 7))
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    stream = b"".join(each + b"\n" for each in lines)
    splitter = Splitter()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [each for piece in pieces for each in splitter.feed(piece)] == lines


def test_a_line_that_is_too_long_is_dropped_and_the_next_one_read() -> None:
    splitter = Splitter()
    long = b"x" * (MAX_LOG_LINE_BYTES + 1)
    got = [each for piece in (long, long, b"end\nshort\n") for each in splitter.feed(piece)]
    assert got == [b"short"]
    assert list(splitter.feed(long + b"\nnext\n")) == [b"next"]


@given(st.binary(max_size=200))
def test_no_line_makes_it_throw(hostile: bytes) -> None:
    parse(hostile)
    assert len(readable(hostile)) <= 300


def test_progress_is_told_at_most_every_two_seconds() -> None:
    gauge = Gauge(interval_s=2)
    gauge.read(line(0, percent=1))
    assert gauge.news(0.0) is not None
    gauge.read(line(1, percent=50))
    assert gauge.news(1.9) is None
    told = gauge.news(2.0)
    assert told is not None
    assert told.percent == 50


def test_less_than_a_percent_is_no_news() -> None:
    gauge = Gauge(interval_s=0)
    gauge.read(line(0, percent=7, bytes_done=700))
    gauge.news(0)
    gauge.read(line(1, percent=7, bytes_done=750))
    assert gauge.news(1) is None


def test_another_step_is_news() -> None:
    gauge = Gauge(interval_s=0)
    gauge.read(line(0, percent=7))
    gauge.news(0)
    gauge.read(line(1, step="probe", percent=7))
    told = gauge.news(1)
    assert told is not None
    assert told.step is Step.PROBE


def test_bytes_count_where_the_total_is_unknown() -> None:
    gauge = Gauge(interval_s=0)
    gauge.read(line(0, bytesDone=1000))
    gauge.news(0)
    gauge.read(line(1, bytesDone=1009))
    assert gauge.news(1) is None
    gauge.read(line(2, bytesDone=1010))
    assert gauge.news(2) is not None


def test_what_was_read_before_a_reconnection_is_passed_over() -> None:
    gauge = Gauge(interval_s=0)
    gauge.read(line(5, percent=50))
    gauge.read(line(1, percent=10))
    assert gauge.latest is not None
    assert gauge.latest.percent == 50


def test_a_tail_is_the_last_lines_that_fit() -> None:
    assert tail([b"one", b"two", b"three"], limit=10) == "two\nthree"
    assert tail([], limit=10) is None
    assert tail([b"", b"  "], limit=10) is None


def test_a_tail_gives_no_secret_away() -> None:
    assert tail([b"GET https://a:b@h.example/x?sig=1 failed"], limit=99) == "GET https://h.example/x failed"


def timed(second: int, seq: int, **fields: object) -> bytes:
    told = {"ts": f"2030-01-01T12:00:{second:02}.000Z", "level": "info", "msg": "m", "seq": seq, **fields}
    return json.dumps(told).encode()


def test_steps_are_timed_to_the_next_one_and_the_last_to_the_result() -> None:
    lines = [
        timed(0, 1, progress={"step": "connect"}),
        timed(1, 2, progress={"step": "download"}),
        timed(3, 3, progress={"step": "download", "percent": 50}),
        timed(3, 4),
        timed(5, 5, progress={"step": "commit"}),
        timed(6, 6, reason="Imported"),
    ]
    watch, parsed = Stopwatch(), [parse(each) for each in lines]
    ends = [watch.read(each) for each in parsed if each is not None]
    assert [each for each in ends if each] == [(Step.CONNECT, 1.0), (Step.DOWNLOAD, 4.0), (Step.COMMIT, 1.0)]


def test_a_clock_that_cannot_be_read_times_nothing() -> None:
    watch = Stopwatch()
    for step in ("connect", "download"):
        parsed = parse(line(1, step=step))
        assert parsed is not None
        assert watch.read(parsed) is None
