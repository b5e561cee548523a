"""The scratch file between download and upload."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path, PosixPath
from typing import IO, TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason, Retry
from mediaimport_importer import background
from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.spool import HELD_BACK_BYTES, Reader, Spool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "file", max_bytes=100) as made:
        yield made


def test_last_chunk_is_held_back_until_release(spool: Spool) -> None:
    spool.write(b"one")
    spool.write(b"two")
    with closing(Reader(spool)) as reader:
        assert reader.read() == b"one"
        rest = background.start("read", reader.read)
        assert not rest.done()
        spool.release()
        assert rest.result(5) == b"two"
        assert reader.read() == b""


def test_no_more_than_the_very_end_is_held_back(tmp_path: Path) -> None:
    with Spool(tmp_path / "file", max_bytes=1 << 20) as spool, closing(Reader(spool)) as reader:
        spool.write(bytes(300_000))

        assert len(reader.read()) == 300_000 - HELD_BACK_BYTES


def test_only_chunk_is_held_back_too(spool: Spool) -> None:
    spool.write(b"one")
    with closing(Reader(spool)) as reader:
        rest = background.start("read", reader.read)
        assert not rest.done()
        spool.release()
        assert rest.result(5) == b"one"


def test_failure_reaches_a_reader_that_waits(spool: Spool) -> None:
    with closing(Reader(spool)) as reader:
        waiting = background.start("read", reader.read)
        spool.fail(KeyError("first"))
        spool.fail(ValueError("second"))

        with pytest.raises(KeyError):
            waiting.result(5)


def test_one_reader_can_be_stopped_and_another_reads_on(spool: Spool) -> None:
    spool.write(b"one")
    with closing(Reader(spool)) as stopped, closing(Reader(spool)) as other:
        waiting = background.start("read", stopped.read)
        stopped.stop(KeyError("stop"))
        spool.release()

        with pytest.raises(KeyError):
            waiting.result(5)
        assert other.read() == b"one"


def test_leaving_with_an_error_wakes_readers_and_removes_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "file", max_bytes=100)
    with closing(Reader(spool)) as reader:
        waiting = background.start("read", reader.read)
        spool.__exit__(KeyError, KeyError(), None)

        with pytest.raises(KeyError):
            waiting.result(5)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_scratch_space_is_refused(spool: Spool) -> None:
    spool.write(bytes(90))

    with pytest.raises(RefusedError) as caught:
        spool.write(bytes(11))

    assert caught.value.reason is Reason.SCRATCH_EXCEEDED


class FullDisk(PosixPath):
    """A path on a disk without room."""

    def open(self, *_: object, **__: object) -> IO[bytes]:  # type: ignore[override] # for whatever mode
        """Open the kernel's device that is always full."""
        return Path("/dev/full").open("wb", buffering=0)


def test_full_disk_is_worth_another_attempt(tmp_path: Path) -> None:
    with Spool(FullDisk(tmp_path / "file"), max_bytes=100) as spool, pytest.raises(UnavailableError) as caught:
        spool.write(b"one")

    assert caught.value.reason is Reason.DISK_FULL
    assert caught.value.retryable


class NoRoomForName(PosixPath):
    """A path on a disk without room for another file: without inodes, for example."""

    error = errno.ENOSPC

    def open(self, *_: object, **__: object) -> IO[bytes]:  # type: ignore[override] # for whatever mode
        """Fail as open(2) does."""
        raise OSError(self.error, os.strerror(self.error))


class NoQuotaForName(NoRoomForName):
    error = errno.EDQUOT


@pytest.mark.parametrize("disk", [NoRoomForName, NoQuotaForName])
def test_disk_without_room_for_the_file_itself_is_worth_another_attempt(
    tmp_path: Path, disk: type[NoRoomForName]
) -> None:
    with pytest.raises(UnavailableError) as caught:
        Spool(disk(tmp_path / "file"), max_bytes=100)

    assert caught.value.reason is Reason.DISK_FULL
    assert caught.value.reason.facts.retry is Retry.UNTIL_EXPIRY


def test_scratch_directory_that_is_missing_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Spool(tmp_path / "missing" / "file", max_bytes=100)


def test_reach_waits_for_a_position_or_the_end(spool: Spool) -> None:
    spool.write(b"one")
    spool.write(b"two")
    with closing(Reader(spool)) as reader:
        assert reader.reach(3) == 3
        further = background.start("reach", lambda: reader.reach(50))
        assert not further.done()
        spool.release()
        assert further.result(5) == 6


def test_view_is_a_seekable_part(spool: Spool) -> None:
    spool.write(b"0123456789")
    with closing(Reader(spool)) as reader:
        view = reader.view(2, 5)
        assert (view.read(3), view.read(), view.read()) == (b"234", b"56", b"")
        assert (view.seek(-2, 2), view.read(), view.seek(0), view.readall()) == (3, b"56", 0, b"23456")
