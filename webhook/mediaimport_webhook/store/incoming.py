"""Objects that wait in the store for their import, written by presigned URLs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.store import SignedUpload, SignedUrl, StoreUnavailableError
from mediaimport_webhook.store.presign import expiry
from mediaimport_webhook.store.requests import (
    LIFETIME_S,
    StoreRequests,
    client_of,
    headers_of,
    presigned,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_webhook.store import Waiting

_CONTENT_TYPE = "application/octet-stream"


class Incoming:
    """The store's part below `incoming/`. Requests are rare, so each has a connection of its own."""

    def __init__(
        self,
        settings: StoreSettings,
        *,
        upload_lifetime_s: int = LIFETIME_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._requests = StoreRequests(settings)
        self._public_client = client_of(settings, public=True)
        self._upload_lifetime_s = upload_lifetime_s
        self._clock = clock

    async def put(self, key: str, content: Waiting) -> None:
        """Store an object, over an earlier one of that key; StoreUnavailableError. Its pieces are made as they go."""
        parameters = self._write_parameters(_CONTENT_TYPE, content.sha256)
        url = await self._requests.signed("put_object", key, parameters)
        headers = headers_of(parameters) | {"Content-Length": str(content.size_bytes)}
        async with self._requests.sent("PUT", url, data=_as_they_go(content.pieces()), headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                raise StoreUnavailableError(await refusal(answer, f"s3:PutObject on {key.partition('/')[0]}/*"))

    async def exists(self, key: str) -> bool | None:
        """Tell whether an object exists; StoreUnavailableError. None without s3:GetObject, or without s3:ListBucket."""
        url = await self._requests.signed("head_object", key, {})
        async with self._requests.sent("HEAD", url) as answer:
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
        named = {"Bucket": self._settings.bucket, "Key": key} | {**parameters, "ContentLength": size_bytes}
        url = await presigned(self._public_client, "put_object", named, lifetime_s=self._upload_lifetime_s)
        return SignedUpload(SignedUrl(url, expiry(self._public_client, end)), headers_of(parameters))

    def _write_parameters(self, content_type: str, sha256: str | None) -> dict[str, str]:
        parameters = {"ContentType": content_type}
        if sha256 is not None and self._settings.checksums:
            parameters["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        if self._settings.sse is not None:
            parameters["ServerSideEncryption"] = self._settings.sse
        return parameters


async def _as_they_go(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece
