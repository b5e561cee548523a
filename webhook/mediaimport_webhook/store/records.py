"""Records of assets, read for the catalogue's database: a wrong one is told apart from one that is absent."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.overlay import Overlay, read_overlay
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record
from mediaimport_runtime import s3_errors
from pydantic import ValidationError

from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.query_signer import QuerySigner
from mediaimport_webhook.store.requests import LIFETIME_S, client_of
from mediaimport_webhook.store.sidecars import MAX_SIDECAR_BYTES

if TYPE_CHECKING:
    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_webhook.store.sidecars import Fetch

_TRIES = 6
_FIRST_BACKOFF_S = 0.5


class WrongRecordError(Exception):
    """An object is no record of its asset. The message says why, without anything that the object holds."""


class RecordReader:
    """Reads sidecars and tombstones; asks again while the store does not answer, for about half a minute."""

    def __init__(
        self, settings: StoreSettings, fetch: Fetch, *, tries: int = _TRIES, first_backoff_s: float = _FIRST_BACKOFF_S
    ) -> None:
        self._signer = QuerySigner(client_of(settings), bucket=settings.bucket, lifetime_s=LIFETIME_S)
        self._fetch = fetch
        self._tries = tries
        self._first_backoff_s = first_backoff_s

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return the asset's record, None if it is gone; WrongRecordError, StoreUnavailableError."""
        body = await self._body(keys.sidecar)
        return None if body is None else _record(body, keys)

    async def overlay(self, keys: AssetKeys) -> Overlay | None:
        """Return the overlay, None without one, or for an empty one; WrongRecordError, StoreUnavailableError."""
        body = await self._body(keys.overlay)
        return _overlay(body) if body else None

    async def _body(self, key: str) -> bytes | None:
        for number in range(self._tries):
            try:
                return await self._asked(key)
            except StoreUnavailableError:
                if number == self._tries - 1:
                    raise
                await asyncio.sleep(self._first_backoff_s * 2**number)
        raise AssertionError("unreachable")

    async def _asked(self, key: str) -> bytes | None:
        status, body = await self._fetch(await self._signer.url(key))
        if status == HTTPStatus.OK:
            return body
        code = s3_errors.code_in_body(body)
        # Who may list gets 404 for a missing key, and 403 for one that may not be read.
        if code == "NoSuchKey":
            return None
        raise StoreUnavailableError(f"{status} {code}")


def _record(body: bytes, keys: AssetKeys) -> Sidecar | Tombstone:
    if len(body) > MAX_SIDECAR_BYTES:
        raise WrongRecordError(f"it has more than {MAX_SIDECAR_BYTES} bytes")
    try:
        record = read_record(body)
    except ValidationError:
        raise WrongRecordError("it is no sidecar and no tombstone") from None
    if isinstance(record, Sidecar) and AssetKeys(record.provenance.user_id, str(record.asset.id)) != keys:
        raise WrongRecordError("it describes another asset")
    return record


def _overlay(body: bytes) -> Overlay:
    try:
        return read_overlay(body)
    except ValidationError:
        raise WrongRecordError("it is no overlay") from None
