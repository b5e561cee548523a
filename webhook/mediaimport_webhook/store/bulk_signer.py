"""Presigned GETs of many objects, each of which is read once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.requests import LIFETIME_S, client_of

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from mediaimport_runtime.store_settings import StoreSettings

_PROBE = "media"


class BulkSigner:
    """Signs with botocore's signature alone: its client takes three times as long, mostly to find the endpoint."""

    def __init__(self, settings: StoreSettings) -> None:
        self._client = client_of(settings)
        self._bucket, self._region = settings.bucket, settings.region
        self._is_static = settings.keys.access_key_id is not None
        self._base: str | None = None

    async def url(self, key: str) -> str:
        """Return a URL for the webhook's own use; StoreUnavailableError."""
        # The credentials chain of the SDK may use the network, so it runs in a thread.
        return self._signed(key) if self._is_static else await asyncio.to_thread(self._signed, key)

    def _signed(self, key: str) -> str:
        try:
            if self._base is None:
                self._base = self._found_base()
            request = AWSRequest("GET", self._base + quote(key, safe="/~"))
            S3SigV4QueryAuth(self._credentials(), "s3", self._region, expires=LIFETIME_S).add_auth(request)
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return str(request.url)

    def _found_base(self) -> str:
        """Return what comes before the key, in the style of addresses that the client finds."""
        parameters = {"Bucket": self._bucket, "Key": _PROBE}
        url: str = self._client.generate_presigned_url("get_object", parameters, ExpiresIn=LIFETIME_S)
        return url.partition("?")[0].removesuffix(_PROBE)

    def _credentials(self) -> ReadOnlyCredentials:
        """Return the current ones: temporary ones are renewed before they expire."""
        frozen: ReadOnlyCredentials = self._client._get_credentials().get_frozen_credentials()  # noqa: SLF001 - botocore has no public access to them
        return frozen
