"""Assets of the bucket, by ListObjectsV2, for the commands that walk all of them. No request of users needs it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session
from mediaimport_api.names import ASSETS_PREFIX, AssetKeys
from mediaimport_runtime import s3_errors

from mediaimport_webhook.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.store_settings import StoreSettings

_PAGE = 1000
_LAST = "~"
"""After every name of an object of ours."""
_DEPTH = 4
_RETRIES = {"mode": "standard", "total_max_attempts": 5}


@dataclass(frozen=True)
class ListedAsset:
    """An asset, and the names of its objects."""

    keys: AssetKeys
    names: frozenset[str]

    @property
    def has_record(self) -> bool:
        """Return whether a sidecar or tombstone is there; else an import was killed, or still runs."""
        return self._holds(self.keys.sidecar)

    @property
    def has_overlay(self) -> bool:
        """Return whether the asset was edited."""
        return self._holds(self.keys.overlay)

    def _holds(self, key: str) -> bool:
        return key.removeprefix(self.keys.prefix) in self.names


class AssetListing:
    """Lists assets in the order of their keys, a page at a time: of any number of them one page is in memory."""

    def __init__(self, settings: StoreSettings, *, page_size: int = _PAGE) -> None:
        self._bucket = settings.bucket
        self._page_size = page_size
        options = settings.client_arguments(Config, connect_timeout=5, read_timeout=60, retries=_RETRIES)
        self._client = _client(options)

    async def assets(self, *, after: str = "") -> AsyncIterator[ListedAsset]:
        """Yield the assets whose prefix comes after that one; StoreUnavailableError."""
        keys: AssetKeys | None = None
        names: set[str] = set()
        async for key in self._keys(start=f"{after}{_LAST}" if after else ""):
            parts = key.split("/")
            if len(parts) != _DEPTH:
                continue
            found = AssetKeys(parts[1], parts[2])
            if found != keys:
                if keys is not None:
                    yield ListedAsset(keys, frozenset(names))
                keys, names = found, set()
            names.add(parts[3])
        if keys is not None:
            yield ListedAsset(keys, frozenset(names))

    async def _keys(self, *, start: str) -> AsyncIterator[str]:
        """Yield all keys below `media/`. The next page comes while this one is used."""
        page = asyncio.create_task(self._page({"StartAfter": start} if start else {}))
        try:
            while True:
                keys, following = await page
                if following is not None:
                    page = asyncio.create_task(self._page({"ContinuationToken": following}))
                for each in keys:
                    yield each
                if following is None:
                    return
        finally:
            page.cancel()
            with suppress(asyncio.CancelledError, StoreUnavailableError):
                await page

    async def _page(self, place: dict[str, str]) -> tuple[list[str], str | None]:
        return await asyncio.to_thread(self._page_blocking, place)

    def _page_blocking(self, place: dict[str, str]) -> tuple[list[str], str | None]:
        try:
            answer: dict[str, Any] = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=ASSETS_PREFIX, MaxKeys=self._page_size, **place
            )
        except ClientError as error:
            raise StoreUnavailableError(_refusal(error)) from error
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return [each["Key"] for each in answer.get("Contents", [])], answer.get("NextContinuationToken")


def _client(options: dict[str, Any]) -> Any:  # noqa: ANN401 - botocore makes its types at run time
    """Return a client that leaves times as they come: nobody reads them, and they take most of a page's CPU."""
    session = get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return session.create_client("s3", **options)


def _refusal(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    return f"{code}; the access key needs s3:ListBucket" if code in s3_errors.DENIED else code
