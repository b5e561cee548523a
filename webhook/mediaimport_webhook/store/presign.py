"""The shim's side of the store: presigned URLs, and sidecars of assets whose resource is gone. It only reads."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record
from pydantic import ValidationError
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mediaimport_runtime.store_settings import StoreSettings

MAX_SIDECAR_BYTES = 4 * 1024 * 1024
_MAX_SIGNED = 20_000
_READ_WITHIN_S = 600
_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_ABSENT = frozenset({"NoSuchKey", "AccessDenied"})
"""Without s3:ListBucket S3 answers 403 for a key that is not there."""


class StoreUnavailableError(Exception):
    """The store gave no answer that tells whether the object is there."""


Fetch: TypeAlias = "Callable[[str], Awaitable[tuple[int, bytes]]]"
"""Returns the status and the body of a GET; StoreUnavailableError."""


@dataclass(frozen=True)
class SignedUrl:
    """A URL that anybody may read until it expires."""

    url: str
    expires_at: datetime

    @cached_property
    def expires_at_text(self) -> str:
        """Return it as answers have it; the URL is shown many times."""
        return self.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Presigner:
    """Signs GETs, under the public name unless told otherwise.

    Signing takes 150 µs, so a URL is used again while it has half its life.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        lifetime_s: int,
        public: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = settings.bucket
        self._client = _client(settings, public=public)
        self._local = settings.keys.access_key_id is not None
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._signed: OrderedDict[tuple[str, str], SignedUrl] = OrderedDict()

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        """Return a presigned URL; with a name, one that a browser saves under it. StoreUnavailableError."""
        place, now = (key, download_name), self._clock()
        known = self._signed.get(place)
        if known is not None and known.expires_at - now > timedelta(seconds=self._lifetime_s / 2):
            self._signed.move_to_end(place)
            return known
        signed = await self._sign(key, download_name, now)
        self._signed[place] = signed
        if len(self._signed) > _MAX_SIGNED:
            self._signed.popitem(last=False)
        return signed

    async def _sign(self, key: str, download_name: str, now: datetime) -> SignedUrl:
        """Sign here with keys of our own; the SDK's chain may ask the network for its, so it gets a thread."""
        if self._local:
            return self._sign_blocking(key, download_name, now)
        return await asyncio.to_thread(self._sign_blocking, key, download_name, now)

    def _sign_blocking(self, key: str, download_name: str, now: datetime) -> SignedUrl:
        parameters = {"Bucket": self._bucket, "Key": key}
        if download_name:
            parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(download_name, safe='')}"
        try:
            url: str = self._client.generate_presigned_url("get_object", parameters, ExpiresIn=self._lifetime_s)
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return SignedUrl(url, min(now + timedelta(seconds=self._lifetime_s), self._credentials_end(now)))

    def _credentials_end(self, now: datetime) -> datetime:
        """Return when temporary credentials end, and with them what they signed; botocore shows it nowhere else."""
        credentials = self._client._request_signer._credentials  # noqa: SLF001
        end: datetime | None = getattr(credentials, "_expiry_time", None)
        return end or now + timedelta(seconds=self._lifetime_s)


class Sidecars:
    """Reads `asset.json` by a presigned URL: boto3 blocks, and a read of its own costs several times the CPU."""

    def __init__(self, settings: StoreSettings, fetch: Fetch, *, at_once: int = 16) -> None:
        self._signer = Presigner(settings, lifetime_s=_READ_WITHIN_S, public=False)
        self._fetch = fetch
        self._slots = asyncio.Semaphore(at_once)

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return what `asset.json` of that asset of that user holds, None if there is none; StoreUnavailableError."""
        async with self._slots:
            signed = await self._signer.url(keys.sidecar)
            status, body = await self._fetch(signed.url)
        if status == HTTPStatus.OK and len(body) <= MAX_SIDECAR_BYTES:
            return _parse(body, keys)
        if _code(body) in _ABSENT:
            return None
        raise StoreUnavailableError(f"{status} {_code(body)}")


@asynccontextmanager
async def fetching(settings: StoreSettings) -> AsyncIterator[Fetch]:
    """Give a reader of URLs that trusts the store's own authority and no other, if it has one.

    By aiohttp: httpx takes three times the CPU for it, and looks for trio at every request.
    """
    context = ssl.create_default_context(cafile=settings.ca_bundle)
    timeout = aiohttp.ClientTimeout(total=5, sock_connect=3)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context), timeout=timeout, trust_env=True
    ) as session:

        async def fetch(url: str) -> tuple[int, bytes]:
            try:
                async with session.get(URL(url, encoded=True), allow_redirects=False) as answer:
                    return answer.status, await _most(answer.content)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StoreUnavailableError(type(error).__name__) from error

        yield fetch


async def _most(content: aiohttp.StreamReader) -> bytes:
    """Return the body, and of one that is too long a little more than may be."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_SIDECAR_BYTES:
            break
    return bytes(body)


def _code(body: bytes) -> str:
    """Return S3's own word for what is wrong."""
    match = _CODE.search(body)
    return match[1].decode() if match else ""


def _parse(text: bytes, keys: AssetKeys) -> Sidecar | Tombstone | None:
    """Return the record if it is one; a sidecar only if it speaks of that very asset."""
    try:
        record = read_record(text)
    except ValidationError:
        return None
    if isinstance(record, Tombstone):
        return record
    described = AssetKeys(record.provenance.user_id, str(record.asset.id))
    return record if described == keys else None


def _client(settings: StoreSettings, *, public: bool) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    retries = {"mode": "standard", "total_max_attempts": 2}
    arguments = settings.client_arguments(Config, public=public, connect_timeout=3, read_timeout=5, retries=retries)
    return boto3.client("s3", **arguments)
