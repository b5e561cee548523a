from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from mediaimport_runtime.kubernetes.clock import Clock

OURS = datetime(2030, 1, 1, 12, 0, 0, 400_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "now"),
    [
        ("Tue, 01 Jan 2030 12:10:00 GMT", datetime(2030, 1, 1, 12, 10, 0, tzinfo=UTC)),
        ("Tue, 01 Jan 2030 11:50:00 GMT", datetime(2030, 1, 1, 11, 50, 0, tzinfo=UTC)),
        ("Tue, 01 Jan 2030 12:00:01 GMT", OURS),
        ("yesterday", OURS),
        ("Tue, 01 Jan 2030 12:10:00 -0000", datetime(2030, 1, 1, 12, 10, 0, tzinfo=UTC)),
        (None, OURS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", OURS),
        ("Fri, 31 Dec 9999 23:59:59 -0100", OURS),
        ("Mon, 01 Jan 0001 00:00:00 +0100", OURS),
        ("Mon, 01 Jan 0001 00:00:00 GMT", OURS),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", OURS),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999", OURS),
        ("Mon, 01 Jan 2030 99999999999999999999:00:00 GMT", OURS),
        ("Tue, 01 Jan 2030 12:10:00 -9999", OURS),
    ],
)
def test_a_clock_that_is_off_goes_by_the_api_servers(date: str | None, now: datetime) -> None:
    clock = Clock(local=lambda: OURS)
    clock.sync_from_date(date)
    assert clock.now() == now


def test_a_clock_that_was_put_right_needs_no_offset_any_more() -> None:
    times = iter([OURS - timedelta(minutes=5), OURS, OURS])
    clock = Clock(local=lambda: next(times))
    for _ in range(2):
        clock.sync_from_date("Tue, 01 Jan 2030 12:00:00 GMT")
    assert (clock.now(), clock.offset_s) == (OURS, 0)
