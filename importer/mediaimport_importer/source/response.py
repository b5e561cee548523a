"""Meaning of an HTTP response for the import: its status, and the headers that resuming and retrying need. Pure."""

from __future__ import annotations

import re
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
_OK = frozenset({200, 203})
_EMPTY = frozenset({204, 205})
_REFUSED_WHEN_EXPIRED = frozenset({400, 403})
"""Some object stores answer 400 to a signature that has expired."""
_UNAUTHORIZED = frozenset({401, 402, 403, 407})
_RETRYABLE = frozenset({408, 421, 423, 425, 429})
_GONE = frozenset({404, 410})
_NO_CODINGS = frozenset({
    "", "7bit", "8bit", "ascii", "aws-chunked", "binary", "identity", "iso-8859-1", "latin1", "none", "null", "plain",
    "raw", "us-ascii", "utf-8", "utf8", "windows-1252",
})  # fmt: skip
"""Words in Content-Encoding that encode nothing: of an S3 SDK's chunked uploads, and of hand-made servers."""
_MEDIA_TYPE = re.compile(r"(application|audio|image|text|video)/[-+.a-z0-9]+")
"""A media type in Content-Encoding encodes nothing either."""
_LISTS = frozenset({"content-encoding", "transfer-encoding"})
"""Headers whose repetitions make one list."""
_CONTENT_RANGE = re.compile(r"bytes (?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})/(?P<total>[0-9]{1,18}|\*)")


@dataclass(frozen=True)
class ResponseHead:
    """Status and headers of a response; header names in lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> ResponseHead:
        """Return the head with httpcore's raw headers."""
        fields: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            fields[name] = f"{fields[name]}, {value}" if name in _LISTS and name in fields else value
        return cls(status, fields)

    @property
    def length(self) -> int | None:
        """Return the body's length by Content-Length, None without one or with Transfer-Encoding."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and "transfer-encoding" not in self.headers else None

    @property
    def delimited(self) -> bool:
        """Return whether the body has an end of its own; without one, a body that is cut short reads as whole."""
        return self.length is not None or "transfer-encoding" in self.headers

    @property
    def total(self) -> int | None:
        """Return the size of the whole entity by Content-Range, None where it is unknown."""
        found = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        return int(found["total"]) if found and found["total"] != "*" else None

    @property
    def is_whole_range(self) -> bool:
        """Tell whether this is a Partial Content that is the whole entity: some servers answer a plain GET so."""
        found = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        if self.status != HTTPStatus.PARTIAL_CONTENT or found is None or self.total is None:
            return False
        return int(found["first"]) == 0 and int(found["last"]) + 1 == self.total and self.length in {None, self.total}

    @property
    def entity_bytes(self) -> int | None:
        """Return the size of the entity that a plain GET brings, None where it is unknown."""
        return self.total if self.is_whole_range else self.length

    @property
    def validator(self) -> str | None:
        """Return the value for If-Range: a strong ETag, or Last-Modified; None if the source serves no ranges."""
        if self.headers.get("accept-ranges", "").lower() == "none":
            return None
        etag = self.headers.get("etag")
        if etag and not etag.startswith("W/"):
            return etag
        return self.headers.get("last-modified")

    def continues(self, position: int, *, length: int | None, validator: str | None) -> bool:
        """Tell whether this is the response to a Range request from `position` on, of the same entity."""
        found = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        if self.status != HTTPStatus.PARTIAL_CONTENT or self.validator not in {None, validator} or found is None:
            return False
        first, last, total = int(found["first"]), int(found["last"]), self.total
        return first == position <= last and length in {None, total} and total in {None, last + 1}

    def retry_after_s(self, now: datetime) -> int | None:
        """Return Retry-After in seconds, at most a day; None if it is missing or invalid."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            # int() refuses thousands of digits.
            return min(int(text[:10]), MAX_RETRY_AFTER_S)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = int((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
        return min(max(wait_s, 0), MAX_RETRY_AFTER_S)


def refusal(head: ResponseHead, *, host: str, expired: bool, now: datetime) -> AttemptError | None:
    """Return the error that this response means, None if its body is the media.

    `expired`: a refusal means that the URL has expired, by its signature or by the spec's estimate.
    """
    if head.status in _OK or head.is_whole_range:
        return _encoding_refusal(head, host)
    if head.status == HTTPStatus.PARTIAL_CONTENT:
        return UnavailableError(
            Reason.SOURCE_UNAVAILABLE,
            f"the source {host} answered HTTP 206 and does not say that it is the whole, though all was requested",
            http_status=head.status,
        )
    status_text, http_status = f"the source {host} answered HTTP {head.status}", head.status
    permanent = _permanent_reason(head.status, expired=expired)
    if permanent is not None:
        reason, why = permanent
        return RefusedError(reason, f"{status_text}: {why}", http_status=http_status)
    wait_s = head.retry_after_s(now)
    return UnavailableError(
        Reason.SOURCE_UNAVAILABLE,
        f"{status_text}: it is temporarily unavailable",
        http_status=http_status,
        retry_after_s=wait_s,
    )


def _permanent_reason(status: int, *, expired: bool) -> tuple[Reason, str] | None:
    """Return reason and explanation of a permanent refusal; None if a retry may succeed."""
    if status in _EMPTY:
        return Reason.NOT_MEDIA, "an empty answer"
    if status in _GONE:
        return Reason.SOURCE_NOT_FOUND, "there is nothing, or nothing any more, under this URL"
    if status in _REFUSED_WHEN_EXPIRED and expired:
        return Reason.SOURCE_EXPIRED, "the URL has expired; generate the media again"
    if status in _UNAUTHORIZED:
        return Reason.SOURCE_UNAUTHORIZED, "it requires credentials; use a signed URL or headersSecretRef"
    client_error = status // 100 == HTTPStatus.BAD_REQUEST // 100
    return (
        (Reason.SOURCE_NOT_FOUND, "it refuses the request; check the URL")
        if client_error and status not in _RETRYABLE
        else None
    )


def _encoding_refusal(head: ResponseHead, host: str) -> AttemptError | None:
    encoding = head.headers.get("content-encoding", "").strip().lower()
    words = [word.strip() for word in encoding.split(",")]
    if all(word in _NO_CODINGS or _MEDIA_TYPE.fullmatch(word) for word in words):
        return None
    return RefusedError(
        Reason.NOT_MEDIA,
        f"the source {host} sent Content-Encoding {encoding[:32]!r} though identity was requested; serve plain bytes",
    )


def may_expire(url: str, *, expires_at: datetime | None, now: datetime) -> bool:
    """Tell whether a refusal of this URL most likely means that it expired: by its time, or because it is signed."""
    if expires_at is not None and expires_at <= now:
        return True
    names = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    return bool(names & _SIGNATURES)
