"""Sidecars, tombstones and overlays of assets whose resource is gone."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias
from urllib.request import getproxies, proxy_bypass

import aiohttp
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record
from mediaimport_runtime import s3_errors
from pydantic import ValidationError
from yarl import URL

from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.overlays import parsed_overlay
from mediaimport_webhook.store.presign import Presigner
from mediaimport_webhook.store.requests import ABSENT, read_bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mediaimport_api.overlay import Overlay
    from mediaimport_runtime.store_settings import StoreSettings

MAX_SIDECAR_BYTES = 4 * 1024 * 1024
_URL_LIFETIME_S = 600

Fetch: TypeAlias = "Callable[[str], Awaitable[tuple[int, bytes]]]"
"""Returns the status and the body of a GET; StoreUnavailableError."""


class Sidecars:
    """Reads records by presigned URLs: boto3 blocks, and a read of its own costs several times the CPU."""

    def __init__(self, settings: StoreSettings, fetch: Fetch, *, max_concurrency: int = 16) -> None:
        self._signer = Presigner(settings, lifetime_s=_URL_LIFETIME_S, public=False)
        self._fetch = fetch
        self._slots = asyncio.Semaphore(max_concurrency)

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return the record of that user's asset, None if there is none; StoreUnavailableError."""
        body = await self._body(keys.sidecar)
        return None if body is None else _parse(body, keys)

    async def overlay(self, keys: AssetKeys) -> Overlay | None:
        """Return the overlay of that user's asset, None if there is none; StoreUnavailableError."""
        body = await self._body(keys.overlay)
        return None if body is None else parsed_overlay(body)

    async def _body(self, key: str) -> bytes | None:
        async with self._slots:
            signed = await self._signer.url(key)
            status, body = await self._fetch(signed.url)
        if status == HTTPStatus.OK and len(body) <= MAX_SIDECAR_BYTES:
            return body
        if s3_errors.code_in_body(body) in ABSENT:
            return None
        raise StoreUnavailableError(f"{status} {s3_errors.code_in_body(body)}")


@asynccontextmanager
async def open_fetch(settings: StoreSettings) -> AsyncIterator[Fetch]:
    """Open an HTTP client for presigned URLs. It trusts the store's own CA bundle and no other, if there is one.

    httpx takes three times the CPU of aiohttp, and looks for trio at every request. aiohttp's `trust_env` asks two
    threads at every request, and adds what a .netrc has to a signed URL: so the proxy is looked up here, once a host.
    """
    context = ssl.create_default_context(cafile=settings.ca_bundle)
    timeout = aiohttp.ClientTimeout(total=5, sock_connect=3)
    proxy_of = cache(_proxy_of)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout) as session:

        async def fetch(url: str) -> tuple[int, bytes]:
            target = URL(url, encoded=True)
            proxy = proxy_of(target.scheme, target.authority)
            try:
                async with session.get(target, allow_redirects=False, proxy=proxy) as response:
                    return response.status, await read_bounded(response.content, limit_bytes=MAX_SIDECAR_BYTES)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise StoreUnavailableError(type(error).__name__) from error

        yield fetch


def _proxy_of(scheme: str, authority: str) -> str | None:
    """Return the proxy that the environment names for that host (`HTTPS_PROXY`, `NO_PROXY`), None for none."""
    return None if proxy_bypass(authority) else getproxies().get(scheme)


def _parse(text: bytes, keys: AssetKeys) -> Sidecar | Tombstone | None:
    """Return the record; None for invalid JSON, and for a sidecar of another asset."""
    try:
        record = read_record(text)
    except ValidationError:
        return None
    if isinstance(record, Tombstone):
        return record
    described = AssetKeys(record.provenance.user_id, str(record.asset.id))
    return record if described == keys else None
