"""Presigned GETs by AWS Signature Version 4, a tenth of botocore's time for each.

botocore says once how the bucket is addressed; its own signature of that URL has to equal ours.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import parse_qs, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE = "%Y%m%dT%H%M%SZ"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROBE = "probe"


class Credentials(Protocol):
    """Keys as botocore freezes them."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass
class QuerySigner:
    """Signs GETs of one bucket. The key that it derives holds for a day."""

    origin: str
    """Scheme and authority of the URLs."""
    prefix: str
    """Path before a key, with its slash."""
    host: str
    scope: str
    """Region and service."""
    _derived: tuple[tuple[str, str], bytes] = field(default=(("", ""), b""))

    @classmethod
    def like(cls, probe_url: str, credentials: Credentials) -> Self | None:
        """Return the signer of URLs such as botocore's for the key `probe`; None if it signs that one otherwise."""
        parts, query = urlsplit(probe_url), parse_qs(probe_url.partition("?")[2])
        if query.get("X-Amz-Algorithm") != [_ALGORITHM] or not parts.path.endswith(f"/{_PROBE}"):
            return None
        host = parts.netloc.lower()
        if parts.port == _DEFAULT_PORTS.get(parts.scheme):
            host = host.removesuffix(f":{parts.port}")
        region, service = query["X-Amz-Credential"][0].split("/")[-3:-1]
        origin = f"{parts.scheme}://{parts.netloc}"
        signer = cls(origin, parts.path.removesuffix(_PROBE), host, f"{region}/{service}/aws4_request")
        moment = datetime.strptime(query["X-Amz-Date"][0], _DATE).replace(tzinfo=UTC)
        own = signer.url(_PROBE, {}, credentials, moment, lifetime_s=int(query["X-Amz-Expires"][0]))
        return signer if parse_qs(own.partition("?")[2]) == query else None

    def url(
        self, key: str, parameters: Mapping[str, str], credentials: Credentials, moment: datetime, *, lifetime_s: int
    ) -> str:
        """Return the presigned URL of an object; `parameters` are S3's own of a GET."""
        stamp = moment.astimezone(UTC).strftime(_DATE)
        scope = f"{stamp[:8]}/{self.scope}"
        query = {
            **parameters,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(lifetime_s),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            query["X-Amz-Security-Token"] = credentials.token
        path = self.prefix + quote(key, safe="/~")
        encoded = "&".join(f"{name}={quote(query[name], safe='~')}" for name in sorted(query))
        canonical = f"GET\n{path}\n{encoded}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = _mac(self._key(credentials.secret_key, stamp[:8]), text).hex()
        return f"{self.origin}{path}?{encoded}&X-Amz-Signature={signature}"

    def _key(self, secret_key: str, day: str) -> bytes:
        if self._derived[0] != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, *self.scope.split("/")):
                key = _mac(key, part)
            self._derived = (secret_key, day), key
        return self._derived[1]


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
