"""What was stored, seen from every side, and the claims that follow. Pure but for `gather`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx

from dev.demo.output import Claim

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Evidence:
    """What each witness says."""

    source_sha256: str
    """Of the file that the stand-in serves, computed beside it."""
    status: dict[str, Any]
    shown: dict[str, Any]
    """The shim's JSON."""
    fetched: bytes
    thumbnail: bytes
    store_sha256: str
    keys: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """Where this asset's objects are."""
        return _prefix(self.status)

    def claims(self) -> list[Claim]:
        """Return all that must hold."""
        asset, shown = self.status["asset"], self.shown["metadata"]
        hashes = {
            "the source": self.source_sha256,
            "fetched by the presigned URL": sha256(self.fetched).hexdigest(),
            "the resource's status": asset["sha256"],
            "the shim's JSON": shown["sha256"],
            "S3's own checksum": self.store_sha256,
        }
        wanted_keys = {asset["key"], f"{self.prefix}thumbnail.jpg", f"{self.prefix}asset.json"}
        sizes = {len(self.fetched), asset["sizeBytes"], shown["size_bytes"]}
        picture = self.status["thumbnail"]
        return [
            Claim("one SHA-256, from the source to S3 and back", *_agree(hashes)),
            Claim(
                "one size", len(sizes) == 1, f"{len(self.fetched)} bytes fetched, {asset['sizeBytes']} in the status"
            ),
            Claim(
                "the thumbnail is a JPEG of the size that the status says",
                self.thumbnail.startswith(JPEG) and len(self.thumbnail) == picture["sizeBytes"],
                f"{picture['width']} x {picture['height']}, {len(self.thumbnail)} bytes",
            ),
            Claim("three objects, no more", set(self.keys) == wanted_keys, ", ".join(sorted(self.keys))),
            Claim("tagged as made by a model", "ai-generated" in self.shown["tags"], str(self.shown["tags"])),
        ]


def gather(
    *, status: dict[str, Any], shown: dict[str, Any], source_sha256: str, store: S3Client, fetch: Callable[[str], bytes]
) -> Evidence:
    """Ask the store, and fetch both presigned URLs."""
    asset = status["asset"]
    head = store.head_object(Bucket=asset["bucket"], Key=asset["key"], ChecksumMode="ENABLED")
    listed = store.list_objects_v2(Bucket=asset["bucket"], Prefix=_prefix(status))
    return Evidence(
        source_sha256=source_sha256,
        status=status,
        shown=shown,
        fetched=fetch(shown["url"]),
        thumbnail=fetch(shown["thumbnail_url"]),
        store_sha256=base64.b64decode(head.get("ChecksumSHA256", "")).hex() or "none",
        keys=tuple(each["Key"] for each in listed.get("Contents", [])),
    )


def fetcher(tls: ssl.SSLContext) -> Callable[[str], bytes]:
    """Return what fetches a URL as a browser would."""

    def fetch(url: str) -> bytes:
        return httpx.get(url, verify=tls, timeout=30).raise_for_status().content

    return fetch


def _prefix(status: dict[str, Any]) -> str:
    return str(status["asset"]["key"]).rpartition("/")[0] + "/"


def _agree(hashes: dict[str, str]) -> tuple[bool, str]:
    if len(set(hashes.values())) == 1:
        return True, f"{next(iter(hashes.values()))}: {', '.join(hashes)}"
    return False, ", ".join(f"{who}: {what}" for who, what in hashes.items())
