"""A generator's output that its CDN does not serve yet."""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import Provider, Source
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source import visibility
from mediaimport_importer.source.guard import Pace
from mediaimport_importer.source.open import Access, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.source_server import Conversation, Sources

NOW = datetime(2026, 7, 28, 12, 0, 0, tzinfo=UTC)
GENERATOR = Provider(name="replicate", id="p1")


def late(*statuses: str) -> Callable[[Conversation], None]:
    """Return a script with those answers before the media."""
    left = list(statuses)

    def script(conversation: Conversation) -> None:
        conversation.answer(status=left.pop(0)) if left else conversation.answer(b"media")

    return script


def fetched(source: Source, sources: Sources, *, age: timedelta = timedelta(0)) -> bytes:
    policy = SourcePolicy((ipaddress.ip_network("127.0.0.0/8"),), frozenset({sources.port}))
    created_at = datetime.now(UTC) - age
    access = Access(policy, Pace(time.monotonic() + 20), created_at=created_at, sleep=lambda _: None)
    with opened(source, access) as media:
        return b"".join(media.pieces())


def refused(source: Source, sources: Sources, *, age: timedelta = timedelta(0)) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        fetched(source, sources, age=age)
    return caught.value


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden"])
@pytest.mark.parametrize("provider", [GENERATOR, None])
def test_media_that_appears_after_a_moment_is_fetched(sources: Sources, status: str, provider: Provider | None) -> None:
    assert fetched(Source(url=sources.add(late(status)), provider=provider), sources) == b"media"


def test_young_output_that_stays_away_is_asked_for_by_another_attempt(sources: Sources) -> None:
    error = refused(Source(url=sources.add(late(*["404 Not Found"] * 9)), provider=GENERATOR), sources)

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert (error.http_status, error.retry_after_s) == (404, visibility.RETRY_AFTER_S)


@pytest.mark.parametrize(("provider", "age"), [(GENERATOR, timedelta(minutes=11)), (None, timedelta(0))])
def test_what_is_old_or_of_no_generator_is_not_found(
    sources: Sources, provider: Provider | None, age: timedelta
) -> None:
    error = refused(Source(url=sources.add(late(*["404 Not Found"] * 9)), provider=provider), sources, age=age)

    assert error.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("status", ["401 Unauthorized", "410 Gone", "400 Bad Request"])
def test_other_refusals_are_final_at_once(sources: Sources, status: str) -> None:
    assert not refused(Source(url=sources.add(late(status)), provider=GENERATOR), sources).retryable


@pytest.mark.parametrize(
    ("provider", "age", "expires_in", "expected"),
    [
        (GENERATOR, timedelta(minutes=1), timedelta(hours=1), visibility.WAITS_S),
        (GENERATOR, timedelta(minutes=1), None, visibility.WAITS_S),
        (GENERATOR, None, None, visibility.WAITS_S),
        (GENERATOR, timedelta(minutes=10), None, ()),
        (GENERATOR, timedelta(minutes=1), timedelta(0), ()),
        (None, timedelta(minutes=1), None, visibility.SHORT_WAITS_S),
    ],
)
def test_waits_follow_from_the_age(
    provider: Provider | None, age: timedelta | None, expires_in: timedelta | None, expected: tuple[float, ...]
) -> None:
    expires_at = None if expires_in is None else NOW + expires_in
    source = Source(url="https://cdn.example/a.png", provider=provider, expires_at=expires_at)

    created_at = None if age is None else NOW - age
    waits_s = visibility.waits_s(
        expires_at=source.expires_at, is_output=source.provider is not None, created_at=created_at, now=NOW
    )
    assert waits_s == expected
