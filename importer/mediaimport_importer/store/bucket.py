"""One S3 bucket, in the few operations that an import needs. The SDK's errors are translated here, once."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from mediaimport_importer.errors import AttemptError, CredentialsExpiredError, ObjectExistsError, UnavailableError
from mediaimport_importer.store.failure import STORE_ERRORS, code, is_absent, precondition_failed, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mediaimport_runtime.store_settings import StoreSettings
    from mypy_boto3_s3 import S3Client

    from mediaimport_importer.spool import Content, Reader

T = TypeVar("T")

CONNECT_S = 20.0
READ_S = 120.0
"""Long enough for a store to assemble a large multipart upload."""
TRIES = 3
WAIT_S = 0.5
MARK = "mediaimport"
"""The metadata key that names the import that wrote an object, until its sidecar does."""


@dataclass(frozen=True)
class Target:
    """The target of an upload. `mark` identifies the import; `replaces` is the etag of its own object to overwrite."""

    key: str
    content_type: str
    mark: str
    replaces: str | None = None


@dataclass(frozen=True)
class Stored:
    """A stored object as the store describes it: the checksums, in hex, are its own; `mark` names the import."""

    etag: str
    size_bytes: int | None
    mark: str | None
    sha256: str | None
    crc64nvme: str | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Stored:
        """Return what the answer to a HEAD says, or to a write, which has neither size nor mark."""
        return cls(
            etag=unquoted_etag(answer.get("ETag")),
            size_bytes=answer.get("ContentLength"),
            mark=answer.get("Metadata", {}).get(MARK),
            sha256=_hex(answer.get("ChecksumSHA256")),
            crc64nvme=_hex(answer.get("ChecksumCRC64NVME")),
        )

    @property
    def has_checksum(self) -> bool:
        """Tell whether the store vouches for the content."""
        return self.sha256 is not None or self.crc64nvme is not None

    def is_same(self, content: Content) -> bool:
        """Tell whether size and checksums, as far as they are known, are those of the content."""
        known = (
            (self.size_bytes, content.size_bytes),
            (self.sha256, content.sha256),
            (self.crc64nvme, content.crc64nvme),
        )
        return all(found in {None, expected} for found, expected in known)


def _hex(encoded: str | None) -> str | None:
    """Return an S3 checksum in hex; None without one, and for a composite one (`…-3`), which is not of the content."""
    if not encoded or "-" in encoded:
        return None
    return base64.b64decode(encoded).hex()


def unquoted_etag(etag: str | None) -> str:
    """Return an ETag without its quotes."""
    return (etag or "").strip('"')


def encode_checksum(hexadecimal: str) -> str:
    """Return a checksum in base64, as S3 writes it."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def connect(settings: StoreSettings, *, sleep: Callable[[float], None] = time.sleep) -> Bucket:
    """Return the bucket; no request is made."""
    return Bucket(_client(settings), settings, sleep=sleep)


def _client(settings: StoreSettings) -> S3Client:
    """Return a client with credentials of its own; boto3 would make the same one, and take longer to import."""
    arguments = settings.client_arguments(
        Config,
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        # A stream cannot be sent twice; `repeated` retries the requests that can be.
        retries={"total_max_attempts": 1},
        # Each request names its own checksum.
        request_checksum_calculation="when_required",
        tcp_keepalive=True,
    )
    return cast("S3Client", botocore.session.Session().create_client("s3", **arguments))


def can_stream(settings: StoreSettings) -> bool:
    """Tell whether a body that cannot seek can be sent: botocore requires https and a trailing checksum for it."""
    return settings.checksums and not (settings.endpoint_url or "https://").lower().startswith("http://")


class Bucket:
    """Requests to one bucket; their errors are AttemptError or ObjectExistsError."""

    def __init__(
        self, client: S3Client, settings: StoreSettings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.client = client
        self.settings = settings
        self._sleep = sleep
        self.name = settings.bucket

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        """Return up to `max_bytes` of an object's content, None if it is absent."""

        def get() -> bytes:
            answer = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes=0-{max_bytes - 1}")
            return answer["Body"].read()

        return self._or_absent(get)

    def head(self, key: str) -> Stored | None:
        """Return what the store says about an object, None if it is absent."""
        checksums = {"ChecksumMode": "ENABLED"} if self.settings.checksums else {}
        return self._or_absent(
            lambda: Stored.of(self.client.head_object(Bucket=self.name, Key=key, **checksums))  # type: ignore[arg-type]
        )

    def sha256(self, key: str) -> str:
        """Return the SHA-256 of an object by reading all of it: for stores that keep no checksums."""

        def digest() -> str:
            body = self.client.get_object(Bucket=self.name, Key=key)["Body"]
            checksum = hashlib.sha256()
            for chunk in body.iter_chunks(1024 * 1024):
                checksum.update(chunk)
            return checksum.hexdigest()

        return self.repeated(digest)

    def put(self, key: str, body: bytes, *, content_type: str, exclusive: bool, mark: str | None = None) -> Stored:
        """Store a small object; ObjectExistsError if `exclusive` and the key exists."""
        arguments = self.write_arguments(content_type=content_type, mark=mark) | self.condition(
            key, exclusive=exclusive
        )
        digest = hashlib.sha256(body).hexdigest()
        if self.settings.checksums:
            arguments["ChecksumSHA256"] = encode_checksum(digest)
        return self.repeated(
            lambda: Stored.of(self.client.put_object(Bucket=self.name, Key=key, Body=body, **arguments))
        )

    def put_small(self, target: Target, body: bytes) -> Stored:
        """Store an original that is smaller than a part."""
        return self.put(
            target.key,
            body,
            content_type=target.content_type,
            exclusive=target.replaces is None,
            mark=target.mark,
        )

    def delete(self, key: str) -> None:
        """Delete an object; an absent one is no error."""
        self.repeated(lambda: self.client.delete_object(Bucket=self.name, Key=key))

    def put_stream(self, target: Target, reader: Reader, *, size_bytes: int) -> Stored:
        """Store the reader's bytes as they arrive by one PUT, once. The store verifies the SHA-256."""
        arguments = self.write_arguments(content_type=target.content_type, mark=target.mark)
        arguments |= self.condition(target.key, exclusive=True, replaces=target.replaces)
        if self.settings.checksums:
            arguments["ChecksumAlgorithm"] = "SHA256"
        return self.once(
            lambda: Stored.of(
                self.client.put_object(
                    Bucket=self.name,
                    Key=target.key,
                    Body=cast("IO[bytes]", reader),
                    ContentLength=size_bytes,
                    **arguments,
                )
            )
        )

    def write_arguments(self, *, content_type: str, mark: str | None) -> dict[str, Any]:
        """Return the arguments of every write."""
        arguments: dict[str, Any] = {"ContentType": content_type}
        if mark is not None:
            arguments["Metadata"] = {MARK: mark}
        if self.settings.sse is not None:
            arguments["ServerSideEncryption"] = self.settings.sse
        return arguments

    def condition(self, key: str, *, exclusive: bool, replaces: str | None = None) -> dict[str, Any]:
        """Return If-None-Match or If-Match for a write; without conditional writes, HEAD the key first."""
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
            raise self._failure(error) from error

    def repeated(self, operation: Callable[[], T]) -> T:
        """Run a request up to TRIES times while the store is unavailable."""
        for tried in range(1, TRIES):
            try:
                return operation()
            except STORE_ERRORS as error:
                failure = self._failure(error)
                if not isinstance(failure, UnavailableError):
                    raise failure from error
                self._sleep(WAIT_S * 2**tried)
        return self.once(operation)

    def _failure(self, error: Exception) -> AttemptError | ObjectExistsError:
        """Return the meaning of one of STORE_ERRORS; a role's credentials that the store calls expired are renewed."""
        if precondition_failed(error):
            return ObjectExistsError()
        failure = translate(error, self.settings)
        if isinstance(failure, CredentialsExpiredError) and self.settings.keys.access_key_id is None:
            # The SDK renews by its own clock; a new session asks for new ones at once.
            self.client = _client(self.settings)
        return failure

    def _or_absent(self, read: Callable[[], T]) -> T | None:
        def request() -> T | None:
            try:
                return read()
            except ClientError as error:
                if is_absent(error) or code(error) == "InvalidRange":
                    return None
                raise

        return self.repeated(request)
