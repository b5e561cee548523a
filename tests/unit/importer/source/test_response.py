"""HTTP responses and their meaning for the import."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_importer.source.response import ResponseHead, may_expire, refusal

NOW = datetime(2026, 7, 28, 12, 0, 0, tzinfo=UTC)


def reason_of(status: int, *, expired: bool = False, **headers: str) -> Reason | None:
    refused = refusal(ResponseHead(status, headers), host="cdn.example", expired=expired, now=NOW)
    return refused.reason if refused else None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, None), (203, None), (204, Reason.NOT_MEDIA), (206, Reason.SOURCE_UNAVAILABLE),
     (304, Reason.SOURCE_UNAVAILABLE),
     (400, Reason.SOURCE_NOT_FOUND), (401, Reason.SOURCE_UNAUTHORIZED), (403, Reason.SOURCE_UNAUTHORIZED),
     (404, Reason.SOURCE_NOT_FOUND), (408, Reason.SOURCE_UNAVAILABLE), (410, Reason.SOURCE_NOT_FOUND),
     (429, Reason.SOURCE_UNAVAILABLE), (500, Reason.SOURCE_UNAVAILABLE), (503, Reason.SOURCE_UNAVAILABLE)],
)  # fmt: skip
def test_status_has_a_reason(status: int, reason: Reason | None) -> None:
    assert reason_of(status) is reason


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "SourceExpired"), (403, "SourceExpired"), (404, "SourceNotFound")]
)
def test_refusal_of_an_expiring_url_means_expired(status: int, reason: str) -> None:
    assert reason_of(status, expired=True) == reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [("120", 120), ("Tue, 28 Jul 2026 12:02:00 GMT", 120), ("Tue, 28 Jul 2020 12:02:00 GMT", 0), ("999999999", 86400),
     ("9" * 5000, 86400), ("Fri, 31 Dec 9999 23:59:59 -2359", 86400), ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
     ("soon", None), ("-5", None), ("", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str, expected: int | None) -> None:
    assert ResponseHead(503, {"retry-after": value}).retry_after_s(NOW) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [("X-Amz-Signature=a", True), ("x-goog-signature=a", True), ("Expires=1&Signature=", True), ("se=1&sig=a", True),
     ("width=300", False), ("", False)],
)  # fmt: skip
def test_signed_url_may_expire(query: str, *, expected: bool) -> None:
    assert may_expire(f"https://cdn.example/a?{query}", expires_at=None, now=NOW) is expected


def test_content_length_of_a_chunked_body_is_ignored() -> None:
    assert ResponseHead(200, {"content-length": "5", "transfer-encoding": "chunked"}).length is None
    assert ResponseHead(200, {"content-length": "5"}).length == 5
    assert ResponseHead(200, {"content-length": "five"}).length is None
