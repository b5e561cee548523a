"""Objects of the store as sources: an original, and one below `incoming/` that waits for its import."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from mediaimport_api.reasons import Reason
from mediaimport_runtime import s3_errors

from mediaimport_importer.errors import AttemptError, ObjectExistsError, RefusedError, UnavailableError
from mediaimport_importer.store.bucket import TRIES, WAIT_S, Bucket, connect
from mediaimport_importer.store.failure import code, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.response import StreamingBody
    from mediaimport_runtime.store_settings import StoreSettings

_PIECE_BYTES = 1024 * 1024


@contextmanager
def stored(settings: StoreSettings, key: str, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[StoredSource]:
    """Yield an object of the store as a source; SourceNotFound without it, StoreDenied if it cannot be read."""
    with ExitStack() as stack:
        yield StoredSource(connect(settings, sleep=sleep), key, stack, sleep)


def remove_incoming(settings: StoreSettings, key: str, *, sleep: Callable[[float], None] = time.sleep) -> str | None:
    """Remove an object that is imported; return why it is left. One that is gone already is no failure."""
    try:
        connect(settings, sleep=sleep).delete(key)
    except (AttemptError, ObjectExistsError) as error:
        return str(error) or type(error).__name__
    return None


@dataclass
class StoredSource:
    """An object's bytes, read once. A connection that breaks is followed by a request for the rest of the same object.

    The store gives the length, so that an end is proven.
    """

    bucket: Bucket
    key: str
    stack: ExitStack
    sleep: Callable[[float], None]
    delimited: bool = True
    size_bytes: int | None = field(init=False)

    def __post_init__(self) -> None:
        answer = self._get({})
        self.size_bytes = answer["ContentLength"]
        self._etag: str = answer.get("ETag", "")
        self._stream = self._entered(answer)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces."""
        position = failures = 0
        while True:
            try:
                piece = self.bucket.once(lambda: self._stream.read(_PIECE_BYTES))
            except UnavailableError:
                failures += 1
                if failures >= TRIES or not self._etag:
                    raise
                self.sleep(WAIT_S * 2**failures)
                self._stream = self._entered(self._get({"Range": f"bytes={position}-", "IfMatch": self._etag}))
                continue
            if not piece:
                return
            position += len(piece)
            yield piece

    def _entered(self, answer: dict[str, Any]) -> StreamingBody:
        """Return the body, which is closed with the source."""
        body: StreamingBody = answer["Body"]
        self.stack.callback(body.close)
        return body

    def _get(self, arguments: dict[str, str]) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            try:
                answer: Any = self.bucket.client.get_object(Bucket=self.bucket.name, Key=self.key, **arguments)  # type: ignore[arg-type]
            except ClientError as error:
                refused = _refusal(error, self.key)
                if refused is None:
                    raise
                raise refused from error
            found: dict[str, Any] = answer
            return found

        try:
            return self.bucket.repeated(get)
        except ObjectExistsError:
            raise _replaced(self.key) from None


def _refusal(error: ClientError, key: str) -> RefusedError | None:
    """Return the failure that only a read has: there is no object, or no right to read it."""
    found = code(error)
    if found in s3_errors.DENIED:
        return RefusedError(
            Reason.STORE_DENIED,
            f"the store refused to read {key} ({found}): it was never uploaded, or the access key's policy lacks"
            f" s3:GetObject for {key.partition('/')[0]}/*",
            http_status=status(error) or None,
        )
    if status(error) == HTTPStatus.NOT_FOUND and found not in s3_errors.BUCKET_MISSING:
        return RefusedError(
            Reason.SOURCE_NOT_FOUND,
            f"the store has no object {key}: it was never uploaded, or was removed; upload it again",
            http_status=status(error),
        )
    return None


def _replaced(key: str) -> UnavailableError:
    return UnavailableError(
        Reason.STORE_UNAVAILABLE, f"{key} was replaced while it was read; the next attempt reads the new one"
    )
