"""Objects that wait in the store for their import, written by presigned URLs."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from mediaimport_runtime import s3_errors
from yarl import URL

from mediaimport_webhook.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_webhook.store import Waiting

_LIFETIME_S = 600
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=3, sock_read=20)
_MAX_ERROR_BYTES = 64 * 1024
_CONTENT_TYPE = "application/octet-stream"


class Incoming:
    """The store's part below `incoming/`. Requests are rare, so each has a connection of its own."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._client = _client(settings)

    async def put(self, key: str, content: Waiting) -> None:
        """Store an object, over an earlier one of that key; StoreUnavailableError. Its pieces are made as they go."""
        parameters = self._write_parameters(content)
        url = await asyncio.to_thread(self._signed, "put_object", key, parameters)
        headers = _headers(parameters) | {"Content-Length": str(content.size_bytes)}
        async with self._requested("PUT", url, data=_as_they_go(content.pieces()), headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                raise StoreUnavailableError(await _refusal(answer, f"s3:PutObject on {key.partition('/')[0]}/*"))

    def _write_parameters(self, content: Waiting) -> dict[str, str]:
        checksum = base64.b64encode(bytes.fromhex(content.sha256)).decode()
        return {
            "ContentType": _CONTENT_TYPE,
            **({"ChecksumSHA256": checksum} if self._settings.checksums else {}),
            **({"ServerSideEncryption": self._settings.sse} if self._settings.sse else {}),
        }

    def _signed(self, operation: str, key: str, parameters: Mapping[str, Any]) -> str:
        """Return a presigned URL. The SDK's credentials chain may use the network."""
        try:
            url: str = self._client.generate_presigned_url(
                operation, {"Bucket": self._settings.bucket, "Key": key, **parameters}, ExpiresIn=_LIFETIME_S
            )
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


def _client(settings: StoreSettings) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    arguments = settings.client_arguments(Config, request_checksum_calculation="when_required")
    return boto3.client("s3", **arguments)
