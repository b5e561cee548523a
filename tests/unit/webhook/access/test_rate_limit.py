from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_webhook.access.rate_limit import RateLimit

if TYPE_CHECKING:
    from tests.unit.webhook.conftest import Start


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_two_seconds_worth_may_come_at_once_and_then_the_rate_holds() -> None:
    clock = Clock()
    limit = RateLimit(5, monotonic=clock)
    assert [limit.wait_s("alice") for _ in range(11)] == [0] * 10 + [1]
    clock.now = 0.4
    assert [limit.wait_s("alice") for _ in range(3)] == [0, 0, 1]
    clock.now = 100
    assert [limit.wait_s("alice") for _ in range(11)].count(0) == 10


def test_one_user_does_not_use_up_anothers() -> None:
    limit = RateLimit(1, monotonic=Clock())
    assert [limit.wait_s("alice") for _ in range(3)] == [0, 0, 1]
    assert limit.wait_s("bob") == 0


def test_user_who_asks_too_often_is_told_when_to_come_back(start: Start) -> None:
    shim = start(RATE_LIMIT_PER_SECOND="1")
    answers = [shim.call("GET", "/api/v1/stats") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert (answers[2].headers["retry-after"], answers[2].headers["content-type"]) == ("1", "application/problem+json")
    assert shim.sample("mediaimport_http_requests_limited_total") == 1
    assert shim.call("GET", "/api/v1/stats", token="bob-token-0123456789").status_code == 200
