"""Presigned URLs of stored objects."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from botocore.config import Config

from mediaimport_webhook.store import SignedUrl
from mediaimport_webhook.store.query_signer import QuerySigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.store_settings import StoreSettings

_MAX_SIGNED = 20_000
_LEAST_REUSE = timedelta(minutes=1)


class Presigner:
    """Presigns GETs, by default under the public endpoint.

    A URL is used again for half of its life, which is at most that of temporary credentials: browsers and proxies then
    keep what they have got under it.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        lifetime_s: int,
        public: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = _client(settings, public=public)
        self._signer = QuerySigner(self._client, bucket=settings.bucket, lifetime_s=lifetime_s)
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._signed: OrderedDict[tuple[str, str] | str, SignedUrl] = OrderedDict()
        """By key, with the download's name if there is one."""
        self._last: SignedUrl | None = None

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        """Return a presigned URL; with a name, one that a browser saves under it. StoreUnavailableError.

        A browser shows nothing but pictures, videos and sound: what may hold a script it saves, whatever its type.
        """
        found = self.signed_before(key, download_name=download_name)
        if found is not None:
            return found
        now = self._clock().replace(microsecond=0)
        signed = await self._sign(key, download_name, now)
        kept = self._shared(signed, renewed_at=now + self._reuse(signed.expires_at - now))
        self._signed[_cache_key(key, download_name)] = kept
        if len(self._signed) > _MAX_SIGNED:
            self._signed.popitem(last=False)
        return kept

    def signed_before(self, key: str, *, download_name: str = "") -> SignedUrl | None:
        """Return the URL of that call of `url` if it is kept and used again."""
        cache_key = _cache_key(key, download_name)
        kept = self._signed.get(cache_key)
        if kept is None or self._clock() >= kept.renewed_at:
            return None
        self._signed.move_to_end(cache_key)
        return kept

    def _shared(self, signed: SignedUrl, *, renewed_at: datetime) -> SignedUrl:
        """Return it with the parts of the URL before where they are equal: each would be in memory once more."""
        last = self._last or signed
        query = last.query if signed.query == last.query else signed.query
        expires_at = last.expires_at if signed.expires_at == last.expires_at else signed.expires_at
        renewed_at = last.renewed_at if renewed_at == last.renewed_at else renewed_at
        self._last = replace(signed, query=query, expires_at=expires_at, renewed_at=renewed_at)
        return self._last

    def _reuse(self, life: timedelta) -> timedelta:
        """Return how long a new URL of that life is used again."""
        if life >= timedelta(seconds=self._lifetime_s):
            return life / 2
        # Another signature by the same credentials would end no later.
        return min(max(life / 2, _LEAST_REUSE), life)

    async def _sign(self, key: str, download_name: str, now: datetime) -> SignedUrl:
        url = await self._signer.url(key, _answered_with(key, download_name))
        return SignedUrl.of(url, expiry(self._client, now + timedelta(seconds=self._lifetime_s)))


def _cache_key(key: str, download_name: str) -> tuple[str, str] | str:
    return (key, download_name) if download_name else key


def expiry(client: Any, end: datetime) -> datetime:  # noqa: ANN401 - boto3 makes its types at run time
    """Return that end, or when temporary credentials expire and their signatures with them, if that is earlier."""
    # botocore shows it nowhere else.
    credentials = client._request_signer._credentials  # noqa: SLF001 - botocore has no public access to them
    expires_at: datetime | None = getattr(credentials, "_expiry_time", None)
    return end if expires_at is None else min(end, expires_at)


_INLINE = re.compile(r"(?:video|image|audio|thumbnail)\.(?!svg$)[a-z0-9]{2,11}")
"""Names of objects that a browser may show. An SVG is a picture with scripts."""


def _answered_with(key: str, download_name: str) -> dict[str, str]:
    """Return the parameters that tell the store which headers to answer with instead of the object's own."""
    inline = _INLINE.fullmatch(key.rpartition("/")[2]) is not None
    named = f"; filename*=UTF-8''{quote(download_name, safe='')}" if download_name else ""
    parameters = {} if inline and not named else {"response-content-disposition": f"attachment{named}"}
    return parameters if inline else parameters | {"response-content-type": "application/octet-stream"}


def _client(settings: StoreSettings, *, public: bool) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    retries = {"mode": "standard", "total_max_attempts": 2}
    arguments = settings.client_arguments(Config, public=public, connect_timeout=3, read_timeout=5, retries=retries)
    return boto3.client("s3", **arguments)
