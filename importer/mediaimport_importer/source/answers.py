"""What an HTTP answer means for the import. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_RETRY_AFTER_S = 86_400
_SIGNATURES = frozenset({
    "x-amz-signature", "x-goog-signature", "signature", "sig", "x-amz-security-token", "policy", "token", "hmac",
})  # fmt: skip
_WHOLE = frozenset({200, 203})
_EMPTY = frozenset({204, 205})
_REFUSED_WHEN_EXPIRED = frozenset({400, 403})
"""400 is what some object stores answer to a signature that is too old."""
_UNAUTHORIZED = frozenset({401, 402, 403, 407})
_LATER = frozenset({408, 421, 423, 425, 429})
_GONE = frozenset({404, 410})


@dataclass(frozen=True)
class Answer:
    """Status and headers of a response; header names in lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
        """Return the answer of httpcore's raw headers."""
        return cls(status, {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers})

    @property
    def length(self) -> int | None:
        """Return the promised length of the body, None when there is no promise."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and "transfer-encoding" not in self.headers else None

    @property
    def validator(self) -> str | None:
        """Return what proves to If-Range that the entity is the same: a strong ETag, or the time of change."""
        if self.headers.get("accept-ranges", "").lower() == "none":
            return None
        etag = self.headers.get("etag")
        if etag and not etag.startswith("W/"):
            return etag
        return self.headers.get("last-modified")

    def continues(self, position: int, *, length: int | None, validator: str | None) -> bool:
        """Tell whether this answers a Range request from `position` on, of the entity that was begun."""
        if self.status != HTTPStatus.PARTIAL_CONTENT or self.validator not in {None, validator}:
            return False
        unit, _, span = self.headers.get("content-range", "").partition(" ")
        reach, _, total = span.partition("/")
        ends_well = length is None or (total == str(length) and reach == f"{position}-{length - 1}")
        return unit == "bytes" and reach.startswith(f"{position}-") and ends_well

    def retry_after_s(self, now: datetime) -> int | None:
        """Return Retry-After in seconds, at most a day; None if it is missing or makes no sense."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(int(text), MAX_RETRY_AFTER_S)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = int((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
        return min(max(wait_s, 0), MAX_RETRY_AFTER_S)


def refusal(answer: Answer, *, host: str, expired: bool, now: datetime) -> AttemptError | None:
    """Return why that answer is not the media; None if its body is to be read.

    `expired`: the URL is one that dies, by its signature or by the spec's estimate.
    """
    if answer.status in _WHOLE:
        return _encoded(answer, host)
    said, http_status = f"the source {host} answered HTTP {answer.status}", answer.status
    refused = _verdict(answer.status, expired=expired)
    if refused is not None:
        reason, why = refused
        return RefusedError(reason, f"{said}: {why}", http_status=http_status)
    wait_s = answer.retry_after_s(now)
    return UnavailableError(
        Reason.SOURCE_UNAVAILABLE, f"{said}: it cannot answer now", http_status=http_status, retry_after_s=wait_s
    )


def _verdict(status: int, *, expired: bool) -> tuple[Reason, str] | None:
    """Return the reason for ever, and why; None if another time may be better."""
    if status in _EMPTY:
        return Reason.NOT_MEDIA, "an empty answer"
    if status in _GONE:
        return Reason.SOURCE_NOT_FOUND, "nothing is under this URL (any more)"
    if status in _REFUSED_WHEN_EXPIRED and expired:
        return Reason.SOURCE_EXPIRED, "its URL is no longer valid; generate the media again"
    if status in _UNAUTHORIZED:
        return Reason.SOURCE_UNAUTHORIZED, "it wants credentials; use a signed URL"
    client_error = status // 100 == HTTPStatus.BAD_REQUEST // 100
    return (Reason.SOURCE_NOT_FOUND, "it refuses the request") if client_error and status not in _LATER else None


def _encoded(answer: Answer, host: str) -> AttemptError | None:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return None
    return RefusedError(
        Reason.NOT_MEDIA, f"the source {host} encodes its answer though plain bytes were asked for; serve them plain"
    )


def dies(url: str, *, expires_at: datetime | None, now: datetime) -> bool:
    """Tell whether a refused URL has most likely expired: its time is over, or it carries a signature."""
    if expires_at is not None and expires_at <= now:
        return True
    names = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    return bool(names & _SIGNATURES)
