"""Client of the node's S3 server."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.cluster import addresses

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from dev.cluster.cache import Cache

BUCKET = "media"
REGION = "us-east-1"


@dataclass(frozen=True)
class S3Keys:
    """Keys of the S3 server."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def read(cls, cache: Cache) -> S3Keys:
        """Return the keys that `certificates.make` generated."""
        return cls(**json.loads((cache.pki / "s3-keys.json").read_text()))


def client(cache: Cache) -> S3Client:
    """Return a client of the node's S3 server."""
    import boto3  # noqa: PLC0415 - takes half a second, which an `up` with nothing to do saves
    from botocore.config import Config  # noqa: PLC0415 - as above

    keys = S3Keys.read(cache)
    return boto3.client(
        "s3",
        endpoint_url=f"https://{addresses.S3}",
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        verify=str(cache.pki / "ca.crt"),
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def make_bucket(cache: Cache) -> None:
    """Make the bucket; nothing if it is there (the server keeps buckets as folders)."""
    if not (cache.node / "s3" / BUCKET).exists():
        client(cache).create_bucket(Bucket=BUCKET)


def listening(address: str) -> bool:
    """Tell whether a server accepts connections at `host:port`."""
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
