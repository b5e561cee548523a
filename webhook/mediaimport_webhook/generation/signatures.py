"""Standard Webhooks signatures: https://www.standardwebhooks.com. Pure; the time is an argument."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLERANCE_S = 300
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of all secrets
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}")
_MEMBER = re.compile(r"v1,[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
"""Canonical base64 of 32 bytes; members of other versions, or broken ones, are skipped."""


def usable_secret(secret: str) -> bool:
    """Return whether a secret is `whsec_` and base64 of at least one byte."""
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        return encoded != secret and len(binascii.a2b_base64(encoded + "==", strict_mode=False)) > 0
    except ValueError:
        return False


def header_refusal(headers: Mapping[str, str], now: datetime) -> str | None:
    """Return why the headers are refused before the body is read; None if they are not."""
    if not all(headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature")):
        return "webhook-id, webhook-timestamp or webhook-signature is missing"
    sent = headers["webhook-timestamp"]
    if _TIMESTAMP.fullmatch(sent) is None:
        return "webhook-timestamp is not a number of seconds"
    if abs(now.timestamp() - int(sent)) > TOLERANCE_S:
        return f"webhook-timestamp is more than {TOLERANCE_S} s away from now"
    return None


def refusal(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> str | None:
    """Return why the message is not signed with one of the secrets within 300 s of `now`; None if it is."""
    refused = header_refusal(headers, now)
    if refused is not None:
        return refused
    message_id, sent, members = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    if not _matches(message_id, int(sent), body, members, secrets):
        return "no signature matches"
    return None


class PassingSignature:
    """Signature of a body that passes in pieces, of which none is held. The scheme's library wants the whole text."""

    def __init__(self, headers: Mapping[str, str], secrets: Iterable[str]) -> None:
        """Take usable secrets, and headers that `header_refusal` does not refuse."""
        message_id, sent, self._members = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        start = f"{message_id}.{sent}.".encode()
        self._macs = [hmac.new(_key(secret), start, hashlib.sha256) for secret in secrets]

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        for mac in self._macs:
            mac.update(piece)

    def matches(self) -> bool:
        """Return whether all pieces together are signed with one of the secrets."""
        return _any_equal([b"v1," + base64.b64encode(mac.digest()) for mac in self._macs], self._members)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX) + "==")


def refused(reason: str) -> problems.Problem:
    """Return 401."""
    return problems.Problem(HTTPStatus.UNAUTHORIZED, "signature-refused", f"The signature is refused: {reason}.")


def _matches(message_id: str, sent: int, body: bytes, members: str, secrets: Iterable[str]) -> bool:
    try:
        text = body.decode()
        moment = datetime.fromtimestamp(sent, UTC)
        expected = [Webhook(secret).sign(message_id, moment, text).encode() for secret in secrets]
    except ValueError:
        return False
    return _any_equal(expected, members)


def _any_equal(expected: Iterable[bytes], members: str) -> bool:
    """Compare every member with what it is for every secret, in constant time."""
    given = [member.encode() for member in members.split(" ") if _MEMBER.fullmatch(member)]
    matches = [hmac.compare_digest(mine, theirs) for mine in expected for theirs in given]
    return any(matches)
