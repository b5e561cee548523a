"""Requests to the store by presigned URLs: boto3 blocks, so it only signs. Each request has a connection of its own."""

from __future__ import annotations

import asyncio
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
    from collections.abc import AsyncIterator, Mapping

    from mediaimport_runtime.store_settings import StoreSettings

LIFETIME_S = 600
ABSENT = frozenset({"NoSuchKey", "AccessDenied"})
"""Codes of a missing key: without s3:ListBucket S3 answers 403 for one."""
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=3, sock_read=20)
_MAX_ERROR_BYTES = 64 * 1024
_HEADERS = {
    "ContentType": "Content-Type",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "IfMatch": "If-Match",
    "IfNoneMatch": "If-None-Match",
}


class StoreRequests:
    """Signs and sends requests for objects of the bucket."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._client = client_of(settings)

    async def signed(self, operation: str, key: str, parameters: Mapping[str, Any]) -> str:
        """Return a presigned URL for the webhook's own use; StoreUnavailableError."""
        return await presigned(self._client, operation, {"Bucket": self._settings.bucket, "Key": key, **parameters})

    @asynccontextmanager
    async def sent(self, method: str, url: str, **arguments: Any) -> AsyncIterator[aiohttp.ClientResponse]:  # noqa: ANN401 - aiohttp's own
        """Send a request and yield the answer, whatever its status; StoreUnavailableError if there is none."""
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


async def presigned(
    client: Any,  # noqa: ANN401 - boto3 makes its types at run time
    operation: str,
    named: Mapping[str, Any],
    *,
    lifetime_s: int = LIFETIME_S,
) -> str:
    """Return a presigned URL; StoreUnavailableError. The SDK's chain may use the network, so it runs in a thread."""
    try:
        url: str = await asyncio.to_thread(client.generate_presigned_url, operation, named, ExpiresIn=lifetime_s)
    except BotoCoreError as error:
        raise StoreUnavailableError(type(error).__name__) from error
    return url


async def read_bounded(content: aiohttp.StreamReader, *, limit_bytes: int) -> bytes:
    """Return the body, and of a too long one a little more than the limit."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            break
    return bytes(body)


async def refusal(answer: aiohttp.ClientResponse, needed: str) -> str:
    """Return the status and code of a refusal, with the permission that may be missing."""
    code = s3_errors.code_in_body(await answer.content.read(_MAX_ERROR_BYTES))
    denied = code in s3_errors.DENIED or answer.status == HTTPStatus.FORBIDDEN
    return f"{answer.status} {code}" + (f"; the webhook's access key needs {needed}" if denied else "")


def headers_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a presigned PUT with these parameters needs."""
    return {_HEADERS[name]: value for name, value in parameters.items()}


def client_of(settings: StoreSettings, *, public: bool = False) -> Any:  # noqa: ANN401 - boto3 makes its types at run time
    """Return a client that signs; with `public` for the name that browsers see."""
    arguments = settings.client_arguments(Config, public=public, request_checksum_calculation="when_required")
    return boto3.client("s3", **arguments)
