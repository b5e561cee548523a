"""Overlays: `overlay.json` of an asset whose name, tags or metadata were edited."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api.overlay import Overlay, read_overlay
from mediaimport_runtime import s3_errors
from pydantic import ValidationError

from mediaimport_webhook.store import OverlayChangedError, StoredOverlay, StoreUnavailableError
from mediaimport_webhook.store.requests import ABSENT, StoreRequests, headers_of, read_bounded, refusal

if TYPE_CHECKING:
    from mediaimport_api.names import AssetKeys
    from mediaimport_runtime.store_settings import StoreSettings

_MAX_BYTES = 256 * 1024
_CONTENT_TYPE = "application/json"
_CHANGED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
"""Answers to a conditional PUT: the object is gone, is being written, or is another one."""
_NEEDED = "s3:PutObject on media/*/overlay.json"


class Overlays:
    """Reads and writes overlays. Edits are rare, so each request has a connection of its own."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._requests = StoreRequests(settings)

    async def read(self, keys: AssetKeys) -> StoredOverlay:
        """Return what is stored; without an overlay if there is none that can be read. StoreUnavailableError."""
        url = await self._requests.signed("get_object", keys.overlay, {})
        async with self._requests.sent("GET", url) as answer:
            body = await read_bounded(answer.content, limit_bytes=_MAX_BYTES)
            if answer.status == HTTPStatus.OK:
                return StoredOverlay(parsed_overlay(body), answer.headers.get("ETag", ""))
            code = s3_errors.code_in_body(body)
            if code not in ABSENT:
                raise StoreUnavailableError(f"{answer.status} {code}")
        return StoredOverlay(None, "")

    async def write(self, keys: AssetKeys, overlay: Overlay, *, replaces: StoredOverlay) -> None:
        """Store an overlay in the place of what was read; StoreUnavailableError, OverlayChangedError for other content.

        A store without conditional writes keeps the last of two edits at the same time.
        """
        condition = {"IfMatch": replaces.etag} if replaces.etag else {"IfNoneMatch": "*"}
        body = json.dumps(overlay.to_wire(), ensure_ascii=False).encode()
        await self._put(keys, body, condition if self._settings.conditional_writes else {})

    async def clear(self, keys: AssetKeys) -> None:
        """Store an empty object over an overlay whose asset is deleted; StoreUnavailableError.

        The webhook may delete nothing in the store.
        """
        await self._put(keys, b"", {})

    async def _put(self, keys: AssetKeys, body: bytes, condition: dict[str, str]) -> None:
        sse = self._settings.sse
        parameters = {"ContentType": _CONTENT_TYPE, **condition} | ({"ServerSideEncryption": sse} if sse else {})
        url = await self._requests.signed("put_object", keys.overlay, parameters)
        async with self._requests.sent("PUT", url, data=body, headers=headers_of(parameters)) as answer:
            if condition and answer.status in _CHANGED:
                raise OverlayChangedError
            if answer.status != HTTPStatus.OK:
                raise StoreUnavailableError(await refusal(answer, _NEEDED))


def parsed_overlay(body: bytes) -> Overlay | None:
    """Return the overlay; None for an empty object, and for what is no overlay."""
    try:
        return read_overlay(body)
    except ValidationError:
        return None
