"""Evidence about what the import stored, and the claims on it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store.presign import Presigner

from dev.demo.evidence import JPEG, fetcher
from dev.demo.output import Claim
from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from mediaimport_api.result import Result
    from mediaimport_api.status import Asset, Thumbnail

    from tests.support.loopback.store import Store

LIFETIME_S = 900


@dataclass(frozen=True)
class Evidence:
    """Values as source, result, presigned URLs and store have them."""

    source_sha256: str | None
    asset: Asset
    picture: Thumbnail | None
    fetched: bytes
    thumbnail: bytes
    store_sha256: str
    objects: dict[str, int]
    """Names and sizes below the asset's prefix."""

    def claims(self) -> list[Claim]:
        """Return the claims with their results."""
        return [self._one_hash(), self._one_size(), *self._picture(), self._objects()]

    def _one_hash(self) -> Claim:
        known = {"the source": self.source_sha256} if self.source_sha256 else {}
        hashes = known | {
            "fetched by the presigned URL": sha256(self.fetched).hexdigest(),
            "the result": self.asset.sha256,
            "S3's own checksum": self.store_sha256,
        }
        agree = len(set(hashes.values())) == 1
        values = f"{self.asset.sha256}: {', '.join(hashes)}"
        text = "one SHA-256, from the source to S3 and back" if known else "one SHA-256, in S3 and fetched back"
        return Claim(text, agree, values if agree else ", ".join(f"{party}: {each}" for party, each in hashes.items()))

    def _one_size(self) -> Claim:
        size = self.asset.size_bytes
        return Claim("one size", len(self.fetched) == size, f"{len(self.fetched)} bytes fetched, {size} in the result")

    def _picture(self) -> list[Claim]:
        if self.picture is None:
            return []
        whole = self.thumbnail.startswith(JPEG) and len(self.thumbnail) == self.picture.size_bytes
        found = f"{self.picture.width} x {self.picture.height}, {len(self.thumbnail)} bytes"
        return [Claim("the thumbnail is a JPEG of the size that the result says", whole, found)]

    def _objects(self) -> Claim:
        keys = [self.asset.key, *([self.picture.key] if self.picture else [])]
        expected = {"asset.json", *(key.rpartition("/")[2] for key in keys)}
        return Claim("no other object", set(self.objects) == expected, ", ".join(sorted(self.objects)))


def gather(store: Store, result: Result, source_sha256: str | None) -> Evidence:
    """Fetch presigned URLs as the webhook makes them, and query the store."""
    if result.asset is None or result.thumbnail is None:
        raise ValueError("the result is of no import")
    asset, picture = result.asset, result.thumbnail.thumbnail
    client = store.client()
    head = client.head_object(Bucket=BUCKET, Key=asset.key, ChecksumMode="ENABLED")
    prefix = AssetKeys(user_id=asset.key.split("/")[1], asset_id=str(asset.id)).prefix
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return Evidence(
        source_sha256=source_sha256,
        asset=asset,
        picture=picture,
        fetched=_fetched(store, asset.key),
        thumbnail=_fetched(store, picture.key) if picture else b"",
        store_sha256=base64.b64decode(head.get("ChecksumSHA256", "")).hex() or "none",
        objects={each["Key"].removeprefix(prefix): each["Size"] for each in listed},
    )


def _fetched(store: Store, key: str) -> bytes:
    authority = store.certificate.authority if store.certificate else None
    settings = StoreSettings.read(Environment(store.variables()))
    signed = asyncio.run(Presigner(settings, lifetime_s=LIFETIME_S).url(key))
    return fetcher(ssl.create_default_context(cafile=authority))(signed.url)
