"""Log lines and results."""

from __future__ import annotations

import io
import json

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import MAX_LOG_LINE_BYTES, LogLine
from mediaimport_api.status import Progress, Step
from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.report import Report, failure


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(stream: io.StringIO) -> list[LogLine]:
    return [LogLine.model_validate_json(line) for line in stream.getvalue().splitlines()]


def test_progress_is_reported_once_a_second_with_its_rate(clock: Clock) -> None:
    stream = io.StringIO()
    report = Report(stream, now=clock)

    for tenth in range(31):
        clock.now_s = tenth / 10
        report.download(tenth * 1000, 1_000_000)

    told = lines(stream)
    assert [line.progress and line.progress.bytes_done for line in told] == [0, 10_000, 20_000, 30_000]
    assert told[1].bytes_per_second == 10_000
    assert told[1].progress is not None
    assert told[1].progress.percent == 1


def test_end_of_the_download_is_always_reported(clock: Clock) -> None:
    stream = io.StringIO()
    report = Report(stream, now=clock)

    report.download(1, 2)
    clock.now_s = 0.1
    report.download(2, 2)

    assert [line.progress and line.progress.percent for line in lines(stream)] == [50, 100]


def test_unknown_total_has_no_percent(clock: Clock) -> None:
    stream = io.StringIO()

    Report(stream, now=clock).download(5, None)

    (line,) = lines(stream)
    assert line.progress is not None
    assert (line.progress.bytes_done, line.progress.percent) == (5, None)


def test_line_of_any_text_is_short_json() -> None:
    stream = io.StringIO()

    Report(stream).say("\x1b\n\u2028" + "é" * 5000)

    assert stream.getvalue().count("\n") == 1
    assert len(stream.getvalue()) < MAX_LOG_LINE_BYTES
    assert json.loads(stream.getvalue())["seq"] == 0


def test_failure_becomes_a_result_that_fits() -> None:
    error = UnavailableError(Reason.SOURCE_UNAVAILABLE, "é\x07" * 2000, http_status=503, retry_after_s=7)

    result = failure(error)

    assert (result.reason, result.http_status, result.retry_after_seconds) == (Reason.SOURCE_UNAVAILABLE, 503, 7)
    assert len(result.encode()) < 4096
    assert result.message.isprintable()


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.facts.exit_code is not None])
def test_error_knows_whether_another_attempt_can_follow(reason: Reason) -> None:
    assert RefusedError(reason, "x").retryable is reason.retryable


def test_wait_is_a_warning_of_the_current_step_that_the_status_can_show(clock: Clock) -> None:
    stream = io.StringIO()
    report = Report(stream, clock)
    report.step(Step.COMMIT, "storing")
    report.waits("the store does not answer")
    last = lines(stream)[-1]
    assert last.level == "warning"
    assert last.progress == Progress(step=Step.COMMIT, message="the store does not answer")
