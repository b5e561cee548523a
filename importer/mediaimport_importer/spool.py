"""The scratch file between download and upload: one side writes, the other follows as far as it is let.

It takes the place of a bounded queue: the file is written anyway, for the prober. A store slower than the source
does not hold the download back (a generator's URL dies), memory is one chunk whatever the speeds, and an upload
that has to be repeated reads the same way again from the start.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from typing import TYPE_CHECKING, Self

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from _typeshed import WriteableBuffer


HELD_BACK_BYTES = 64 * 1024
"""Enough that no request is complete; little, because it is sent only after the probe."""


class Spool:
    """A file that grows. Readers get all but its very end until `release`, and an error after `fail`."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file = path.open("xb", buffering=0)
        self._changed = threading.Condition()
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
        """Return how much is written."""
        return self._written

    def write(self, chunk: bytes) -> None:
        """Append; all but the end of it becomes readable. ScratchExceeded when there is no room."""
        if self._written + len(chunk) > self._max_bytes:
            raise scratch_exceeded(self._max_bytes)
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise scratch_exceeded(self._max_bytes) from error
            raise
        with self._changed:
            before, self._written = self._written, self._written + len(chunk)
            self._readable = max(before, self._written - HELD_BACK_BYTES)
            self._changed.notify_all()

    def release(self) -> None:
        """Let readers have the last chunk and come to the end: the content is checked and wanted."""
        with self._changed:
            self._readable, self._complete = self._written, True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Give every reader that error instead of more bytes; the first one counts."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def wait(self, reader: Reader, *, beyond: int) -> int:
        """Wait for bytes beyond that position or the end; return how far the reader may read."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or reader.stopped or self._complete or self._readable > beyond,
            )
            error = self._error or reader.stopped
            if error is not None:
                raise error
            return self._readable

    def stop(self, reader: Reader, error: BaseException) -> None:
        """Give that one reader the error."""
        with self._changed:
            reader.stopped = error
            self._changed.notify_all()


class Reader:
    """One upload's way through the spool: a file object that cannot seek."""

    def __init__(self, spool: Spool) -> None:
        self.stopped: BaseException | None = None
        self._spool = spool
        self._file = spool.path.open("rb", buffering=0)
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Return what can be read now, at least one byte; b"" at the end. Blocks; raises the spool's error."""
        limit = self._spool.wait(self, beyond=self._position)
        wanted = limit - self._position if size < 0 else min(size, limit - self._position)
        data = self._file.read(wanted)
        self._position += len(data)
        return data

    def reach(self, position: int) -> int:
        """Wait until the file can be read up to that position or is complete; return how far it can be read."""
        return self._spool.wait(self, beyond=position - 1)

    def view(self, start: int, size_bytes: int) -> View:
        """Return a part of what can be read, as a file of its own."""
        return View(self._file.fileno(), start, size_bytes)

    def stop(self, error: BaseException) -> None:
        """End this reader: its next read raises the error."""
        self._spool.stop(self, error)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class View(io.RawIOBase):
    """A part of a file: it can seek, several threads may each have one, and it takes no memory."""

    def __init__(self, descriptor: int, start: int, size_bytes: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can seek."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        self._position = min(max(base + offset, 0), self._size_bytes)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as there are bytes; return how many."""
        target = memoryview(buffer).cast("B")[: self._size_bytes - self._position]
        count = os.preadv(self._descriptor, [target], self._start + self._position)
        self._position += count
        return count


def scratch_exceeded(max_bytes: int) -> RefusedError:
    """Return the refusal of what does not fit."""
    return RefusedError(
        Reason.SCRATCH_EXCEEDED,
        f"the media does not fit into the {max_bytes} bytes of scratch space; raise the importer's scratch size",
    )
