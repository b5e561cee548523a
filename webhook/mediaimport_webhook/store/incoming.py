"""Objects that wait in the store for their import, written by presigned URLs."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from mediaimport_runtime import s3_errors
from yarl import URL

from mediaimport_webhook.store import SignedUpload, SignedUrl, StoreUnavailableError
from mediaimport_webhook.store.presign import expiry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_webhook.store import Waiting

_LIFETIME_S = 600
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=3, sock_read=20)
_MAX_ERROR_BYTES = 64 * 1024
_CONTENT_TYPE = "application/octet-stream"


class Incoming:
    """The store's part below `incoming/`. Requests are rare, so each has a connection of its own."""

    def __init__(
        self,
        settings: StoreSettings,
        *,
        upload_lifetime_s: int = _LIFETIME_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._client = _client(settings)
        self._public_client = _client(settings, public=True)
        self._upload_lifetime_s = upload_lifetime_s
        self._clock = clock

    async def put(self, key: str, content: Waiting) -> None:
        """Store an object, over an earlier one of that key; StoreUnavailableError. Its pieces are made as they go."""
        parameters = self._write_parameters(_CONTENT_TYPE, content.sha256)
        url = await self._signed("put_object", key, parameters)
        headers = _headers(parameters) | {"Content-Length": str(content.size_bytes)}
        async with self._requested("PUT", url, data=_as_they_go(content.pieces()), headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                raise StoreUnavailableError(await _refusal(answer, f"s3:PutObject on {key.partition('/')[0]}/*"))

    async def exists(self, key: str) -> bool | None:
        """Tell whether an object exists; StoreUnavailableError. None without s3:GetObject, or without s3:ListBucket."""
        url = await self._signed("head_object", key, {})
        async with self._requested("HEAD", url) as answer:
            found = {HTTPStatus.OK: True, HTTPStatus.NOT_FOUND: False, HTTPStatus.FORBIDDEN: None}
            if answer.status not in found:
                raise StoreUnavailableError(f"HEAD {answer.status}")
            return found[HTTPStatus(answer.status)]

    async def sign_upload(self, key: str, *, content_type: str, size_bytes: int, sha256: str | None) -> SignedUpload:
        """Return a presigned PUT under the public endpoint; StoreUnavailableError.

        The store holds an upload to what is signed: its length, its type, and its checksum if there is one.
        """
        parameters = self._write_parameters(content_type, sha256)
        end = self._clock() + timedelta(seconds=self._upload_lifetime_s)
        url = await self._signed("put_object", key, {**parameters, "ContentLength": size_bytes}, public=True)
        return SignedUpload(SignedUrl(url, expiry(self._public_client, end)), _headers(parameters))

    def _write_parameters(self, content_type: str, sha256: str | None) -> dict[str, str]:
        parameters = {"ContentType": content_type}
        if sha256 is not None and self._settings.checksums:
            parameters["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        if self._settings.sse is not None:
            parameters["ServerSideEncryption"] = self._settings.sse
        return parameters

    async def _signed(self, operation: str, key: str, parameters: Mapping[str, Any], *, public: bool = False) -> str:
        """Return a presigned URL. The SDK's credentials chain may use the network, so it runs in a thread."""
        client = self._public_client if public else self._client
        lifetime_s = self._upload_lifetime_s if public else _LIFETIME_S
        named = {"Bucket": self._settings.bucket, "Key": key, **parameters}
        try:
            url: str = await asyncio.to_thread(client.generate_presigned_url, operation, named, ExpiresIn=lifetime_s)
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return url

    @asynccontextmanager
    async def _requested(self, method: str, url: str, **arguments: Any) -> AsyncIterator[aiohttp.ClientResponse]:  # noqa: ANN401 - aiohttp's own
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._trust), timeout=_TIMEOUT, trust_env=True
                ) as session,
                session.request(method, URL(url, encoded=True), allow_redirects=False, **arguments) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(type(error).__name__) from error

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca_bundle)


async def _as_they_go(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece


async def _refusal(answer: aiohttp.ClientResponse, needed: str) -> str:
    """Return the status and code of a refusal, with the permission that may be missing."""
    code = s3_errors.code_in_body(await answer.content.read(_MAX_ERROR_BYTES))
    denied = code in s3_errors.DENIED or answer.status == HTTPStatus.FORBIDDEN
    return f"{answer.status} {code}" + (f"; the webhook's access key needs {needed}" if denied else "")


_HEADERS = {
    "ContentType": "Content-Type",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ServerSideEncryption": "x-amz-server-side-encryption",
}


def _headers(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a presigned PUT with these parameters needs."""
    return {_HEADERS[name]: value for name, value in parameters.items()}


def _client(settings: StoreSettings, *, public: bool = False) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    arguments = settings.client_arguments(Config, public=public, request_checksum_calculation="when_required")
    return boto3.client("s3", **arguments)
