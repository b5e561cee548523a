"""The spool, a scratch file between download and upload: one side writes, the other follows.

It replaces a bounded queue: the prober needs the file anyway. A store slower than the source does not delay the
download (a generator's URL expires), memory is one chunk at any speed, and a repeated upload reads the file again.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from _typeshed import WriteableBuffer


HELD_BACK_BYTES = 64 * 1024
"""Bytes that readers get only after the probe: enough that no upload completes before, few to send then."""


_PIECE_BYTES = 256 * 1024
"""Of one read: it stays in the processor's cache from the file to the socket."""


class Crc64nvme:
    """A running CRC64NVME, S3's checksum of whole objects: it is cheap enough to check every hand-over with it.

    The first use imports a large library, which no source has to wait for.
    """

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Add bytes."""
        from awscrt.checksums import crc64nvme  # noqa: PLC0415 - see the class

        self._value = crc64nvme(data, self._value)

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far in hex."""
        return f"{self._value:016x}"


class Spool:
    """A growing file. Until `release` its readers get all but the last HELD_BACK_BYTES, after `fail` an error."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        with _room(max_bytes):
            self._file = path.open("xb", buffering=0)
        self._changed = threading.Condition()
        self._crc = Crc64nvme()
        self._written = 0
        self._readable = 0
        self._complete = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wake every reader, with the error if there is one, and remove the file."""
        self.fail(error or RuntimeError("the spool is closed"))
        self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes written."""
        return self._written

    @property
    def crc64nvme(self) -> str:
        """Return the CRC64NVME in hex of the bytes as they were received, which the file must give back."""
        return self._crc.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append a chunk; ScratchExceeded if there is no room."""
        self._crc.update(chunk)
        if self._written + len(chunk) > self._max_bytes:
            raise scratch_exceeded(self._max_bytes)
        with _room(self._max_bytes):
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]
        with self._changed:
            before, self._written = self._written, self._written + len(chunk)
            self._readable = max(before, self._written - HELD_BACK_BYTES)
            self._changed.notify_all()

    def release(self) -> None:
        """Let readers read to the end: the content has passed its checks."""
        with self._changed:
            self._readable, self._complete = self._written, True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Raise the error in every reader instead of more bytes; the first error counts."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def wait(self, reader: Reader, *, beyond: int) -> int:
        """Wait for bytes beyond that position, or for the end; return the position up to which the reader may read."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or reader.stopped or self._complete or self._readable > beyond,
            )
            error = self._error or reader.stopped
            if error is not None:
                raise error
            return self._readable

    def is_end(self, position: int) -> bool:
        """Tell whether the spool is released and has no bytes beyond that position."""
        with self._changed:
            return self._complete and position == self._written

    def stop(self, reader: Reader, error: BaseException) -> None:
        """Raise the error in one reader."""
        with self._changed:
            reader.stopped = error
            self._changed.notify_all()


class Reader:
    """One upload's reader of the spool: a file object that cannot seek.

    It checks what it reads against the bytes that were received, before it gives out the last of them.
    """

    def __init__(self, spool: Spool) -> None:
        self.stopped: BaseException | None = None
        self._spool = spool
        self._file = spool.path.open("rb", buffering=0)
        self._position = 0
        self._crc = Crc64nvme()
        self._corruption: UnavailableError | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the bytes that are readable now, at least one; b"" at the end. Blocks; raises the spool's error."""
        limit = self._spool.wait(self, beyond=self._position)
        count = min(limit - self._position, _PIECE_BYTES if size < 0 else min(size, _PIECE_BYTES))
        data = self._file.read(count)
        self._position += len(data)
        self._crc.update(data)
        if self._spool.is_end(self._position):
            self.check(self._crc.hexdigest())
        return data

    def check(self, crc64nvme: str) -> None:
        """Raise Corrupted unless that is the checksum of the bytes that the spool has received."""
        if crc64nvme != self._spool.crc64nvme:
            self._corruption = corrupted("the scratch file gives back other bytes than were written to it")
            self.raise_corruption()

    def raise_corruption(self) -> None:
        """Raise what `check` has found: a client that reads this file may have replaced the error by its own."""
        if self._corruption is not None:
            raise self._corruption

    def reach(self, position: int) -> int:
        """Wait until the file is readable up to that position or complete; return how far it is readable."""
        return self._spool.wait(self, beyond=position - 1)

    def view(self, start: int, size_bytes: int) -> View:
        """Return a readable part as a file of its own."""
        return View(self._file.fileno(), start, size_bytes)

    def stop(self, error: BaseException) -> None:
        """Make this reader's next read raise the error."""
        self._spool.stop(self, error)

    def close(self) -> None:
        """Close this reader's file."""
        self._file.close()


class View(io.RawIOBase):
    """A part of a file that can seek. Several threads may each have one; it takes no memory."""

    def __init__(self, descriptor: int, start: int, size_bytes: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        self._position = min(max(base + offset, 0), self._size_bytes)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into the buffer; return the number of bytes."""
        target = memoryview(buffer).cast("B")[: self._size_bytes - self._position]
        count = os.preadv(self._descriptor, [target], self._start + self._position)
        self._position += count
        return count


@dataclass(frozen=True)
class Content:
    """A complete scratch file, and size and checksums (in hex) of the bytes that the source has sent."""

    path: Path
    size_bytes: int
    sha256: str
    crc64nvme: str


def scratch_exceeded(max_bytes: int) -> RefusedError:
    """Return the refusal of media larger than the scratch space."""
    return RefusedError(
        Reason.SCRATCH_EXCEEDED,
        f"the media does not fit into the {max_bytes} bytes of scratch space; raise the importer's scratch size",
    )


@contextmanager
def _room(max_bytes: int) -> Iterator[None]:
    """Translate the errors of a disk without room: for the file's name as for its bytes."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _disk_full(max_bytes) from error
        if error.errno == errno.EFBIG:
            raise scratch_exceeded(max_bytes) from error
        raise


def _disk_full(max_bytes: int) -> UnavailableError:
    return UnavailableError(
        Reason.DISK_FULL,
        f"the node's disk is full, though the scratch space has {max_bytes} bytes; free the disk, or request"
        " ephemeral storage for importers",
    )


def corrupted(what: str) -> UnavailableError:
    """Return the failure of bytes that changed after they were received."""
    return UnavailableError(
        Reason.CORRUPTED, f"{what}: bytes changed after the download; check the node's memory and disk"
    )
