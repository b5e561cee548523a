"""One bucket, in the few operations that an import needs. Errors are translated here, once."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import boto3
from botocore.config import Config

from mediaimport_importer.errors import ObjectExistsError
from mediaimport_importer.store.errors import STORE_ERRORS, absent, code, exists, translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.store_settings import StoreSettings
    from mypy_boto3_s3 import S3Client

    from mediaimport_importer.spool import Reader

T = TypeVar("T")

CONNECT_S = 20.0
READ_S = 120.0
"""A store may take its time to assemble a large multipart upload."""
TRIES = 3
WAIT_S = 0.5
MARK = "mediaimport"
"""The metadata that says which import wrote an object, for as long as no sidecar says it."""


@dataclass(frozen=True)
class Target:
    """Where an original goes. `mark` tells whose it is; `replaces` is the etag of our own object that it replaces."""

    key: str
    content_type: str
    mark: str
    replaces: str | None = None


@dataclass(frozen=True)
class Head:
    """What a store knows of an object without reading it; checksums in hex, None where it has none."""

    size_bytes: int
    etag: str
    mark: str | None
    sha256: str | None
    crc64nvme: str | None


def _hex(encoded: str | None) -> str | None:
    """Return an S3 checksum in hex; None for none, and for a composite one (`…-3`), which vouches for no content."""
    if not encoded or "-" in encoded:
        return None
    return base64.b64decode(encoded).hex()


def bare_etag(etag: str | None) -> str:
    """Return an ETag without its quotes."""
    return (etag or "").strip('"')


def encode_checksum(hexadecimal: str) -> str:
    """Return a checksum as S3 writes it."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def connect(settings: StoreSettings) -> Bucket:
    """Return the bucket; nothing is asked of it yet."""
    arguments = settings.client_arguments(
        Config,
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        # A stream cannot be sent twice; what can be repeated is repeated here.
        retries={"total_max_attempts": 1},
        # Each request names its own.
        request_checksum_calculation="when_required",
        tcp_keepalive=True,
    )
    return Bucket(boto3.client("s3", **arguments), settings)


def streams(settings: StoreSettings) -> bool:
    """Tell whether a body that cannot seek can be sent: botocore wants https and a trailing checksum for it."""
    return settings.checksums and not (settings.endpoint_url or "https://").lower().startswith("http://")


class Bucket:
    """The store's side of an import."""

    def __init__(self, client: S3Client, settings: StoreSettings) -> None:
        self.client = client
        self.settings = settings
        self.name = settings.bucket

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        """Return an object's content, None if it is absent; a longer one is cut."""

        def get() -> bytes:
            answer = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes=0-{max_bytes - 1}")
            return answer["Body"].read()

        return self._found(get)

    def head(self, key: str) -> Head | None:
        """Return what the store knows of an object, None if it is absent."""
        checksums = {"ChecksumMode": "ENABLED"} if self.settings.checksums else {}

        def look() -> Head:
            answer: dict[str, Any] = dict(self.client.head_object(Bucket=self.name, Key=key, **checksums))  # type: ignore[arg-type]
            return Head(
                size_bytes=int(answer["ContentLength"]),
                etag=bare_etag(answer.get("ETag")),
                mark=answer.get("Metadata", {}).get(MARK),
                sha256=_hex(answer.get("ChecksumSHA256")),
                crc64nvme=_hex(answer.get("ChecksumCRC64NVME")),
            )

        return self._found(look)

    def sha256(self, key: str) -> str:
        """Return the SHA-256 of an object's content by reading it whole: for stores that keep no checksums."""

        def digest() -> str:
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
            summed = hashlib.sha256()
            for chunk in body.iter_chunks(1024 * 1024):
                summed.update(chunk)
            return summed.hexdigest()

        return self.repeated(digest)

    def put(self, key: str, body: bytes, *, content_type: str, exclusive: bool, mark: str | None = None) -> str:
        """Store a small object and return its etag; ObjectExistsError if `exclusive` and the key is taken."""
        arguments = self.writing(content_type=content_type, mark=mark) | self.condition(key, exclusive=exclusive)
        digest = hashlib.sha256(body).hexdigest()
        if self.settings.checksums:
            arguments["ChecksumSHA256"] = encode_checksum(digest)
        return self.repeated(
            lambda: bare_etag(self.client.put_object(Bucket=self.name, Key=key, Body=body, **arguments).get("ETag"))
        )

    def delete(self, key: str) -> None:
        """Delete an object; one that is absent is deleted already."""
        self.repeated(lambda: self.client.delete_object(Bucket=self.name, Key=key))

    def put_stream(self, target: Target, reader: Reader, *, size_bytes: int) -> str:
        """Store what the reader gives while it grows, once; return the etag. The store vouches for the SHA-256."""
        arguments = self.writing(content_type=target.content_type, mark=target.mark)
        arguments |= self.condition(target.key, exclusive=True, replaces=target.replaces)
        if self.settings.checksums:
            arguments["ChecksumAlgorithm"] = "SHA256"
        return self.once(
            lambda: bare_etag(
                self.client.put_object(
                    Bucket=self.name,
                    Key=target.key,
                    Body=cast("IO[bytes]", reader),
                    ContentLength=size_bytes,
                    **arguments,
                ).get("ETag")
            )
        )

    def writing(self, *, content_type: str, mark: str | None) -> dict[str, Any]:
        """Return the arguments that every write has."""
        arguments: dict[str, Any] = {"ContentType": content_type}
        if mark is not None:
            arguments["Metadata"] = {MARK: mark}
        if self.settings.sse is not None:
            arguments["ServerSideEncryption"] = self.settings.sse
        return arguments

    def condition(self, key: str, *, exclusive: bool, replaces: str | None = None) -> dict[str, Any]:
        """Return the arguments that keep a write off what is there; look first where the store has no conditions."""
        if replaces is not None:
            return {"IfMatch": f'"{replaces}"'} if self.settings.conditional_writes else {}
        if not exclusive:
            return {}
        if self.settings.conditional_writes:
            return {"IfNoneMatch": "*"}
        if self.head(key) is not None:
            raise ObjectExistsError
        return {}

    def once(self, operation: Callable[[], T]) -> T:
        """Run one request; its error is an AttemptError or ObjectExistsError."""
        try:
            return operation()
        except STORE_ERRORS as error:
            if exists(error):
                raise ObjectExistsError from error
            raise translate(error, bucket=self.name) from error

    def repeated(self, operation: Callable[[], T]) -> T:
        """Run a request that can be repeated, up to TRIES times while the store is unavailable."""
        for tried in range(1, TRIES):
            try:
                return operation()
            except STORE_ERRORS as error:
                if exists(error):
                    raise ObjectExistsError from error
                failure = translate(error, bucket=self.name)
                if not failure.retryable:
                    raise failure from error
                time.sleep(WAIT_S * 2**tried)
        return self.once(operation)

    def _found(self, read: Callable[[], T]) -> T | None:
        def look() -> T | None:
            try:
                return read()
            except self.client.exceptions.ClientError as error:
                if absent(error) or code(error) == "InvalidRange":
                    return None
                raise

        return self.repeated(look)
