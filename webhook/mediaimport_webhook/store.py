"""The shim's side of the store: presigned URLs, and sidecars of assets whose resource is gone. It only reads."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Sidecar
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.store_settings import StoreSettings

_MAX_SIDECAR_BYTES = 4 * 1024 * 1024
_MAX_SIGNED = 20_000
_ABSENT = frozenset({"NoSuchKey", "404", "AccessDenied", "403", "NotFound"})
"""Without s3:ListBucket S3 answers 403 for a key that is not there."""


class StoreUnavailableError(Exception):
    """The store gave no answer that tells whether the object is there."""


@dataclass(frozen=True)
class SignedUrl:
    """A URL that anybody may read until it expires."""

    url: str
    expires_at: datetime


class Presigner:
    """Signs GETs under the public name. Signing takes 150 µs, so a URL is used again while it has half its life."""

    def __init__(
        self, settings: StoreSettings, *, lifetime_s: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bucket = settings.bucket
        self._client = _client(settings, public=True)
        self._local = settings.access_key_id is not None
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
    """Reads `asset.json`. boto3 blocks, so each read has a thread, and few at once."""

    def __init__(self, settings: StoreSettings, *, at_once: int = 8) -> None:
        self._bucket = settings.bucket
        self._client = _client(settings, public=False)
        self._slots = asyncio.Semaphore(at_once)

    async def read(self, keys: AssetKeys) -> Sidecar | None:
        """Return the sidecar of that asset of that user, None if there is none; StoreUnavailableError."""
        async with self._slots:
            text = await asyncio.to_thread(self._read_blocking, keys.sidecar)
        return None if text is None else _parse(text, keys)

    def _read_blocking(self, key: str) -> bytes | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            text: bytes = answer["Body"].read(_MAX_SIDECAR_BYTES)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise StoreUnavailableError(str(error.response.get("Error", {}).get("Code"))) from error
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return text


def _parse(text: bytes, keys: AssetKeys) -> Sidecar | None:
    """Return the sidecar if it is one and speaks of that very asset."""
    try:
        sidecar = Sidecar.model_validate_json(text)
    except ValidationError:
        return None
    described = AssetKeys(sidecar.provenance.user_id, str(sidecar.asset.id))
    return sidecar if described == keys else None


def _client(settings: StoreSettings, *, public: bool) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing_style},
        connect_timeout=3,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return boto3.client("s3", config=config, **settings.client_arguments(public=public))
