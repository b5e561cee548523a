"""Pieces of any size become chunks of one size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.reasons import Reason
from mediaimport_importer.download import DownloadObserver, Limits, chunks, download
from mediaimport_importer.errors import RefusedError
from mediaimport_importer.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20), st.integers(1, 20))
def test_nothing_is_lost_or_moved(pieces: list[bytes], first_bytes: int, chunk_bytes: int) -> None:
    cut = list(chunks(pieces, first_bytes=first_bytes, chunk_bytes=chunk_bytes))

    assert b"".join(cut) == b"".join(pieces)
    assert all(cut)
    assert [len(chunk) for chunk in cut[1:-1]] == [chunk_bytes] * len(cut[1:-1])
    assert not cut[1:] or len(cut[0]) == first_bytes


@dataclass
class Endless:
    """A source that says no length and never ends."""

    size_bytes: int | None = None
    delimited: bool = True

    def pieces(self) -> Iterator[bytes]:
        """Yield a PNG's beginning, and zeros."""
        return itertools.chain([b"\x89PNG\r\n\x1a\n"], itertools.repeat(bytes(64 * 1024), 1000))


@pytest.mark.attack("an endless body without a length", "SourceTooLarge at the limit")
def test_body_that_grows_past_the_limit_ends_there(tmp_path: Path) -> None:
    observer = DownloadObserver(lambda _: None, lambda _: None)
    with Spool(tmp_path / "file", max_bytes=1 << 30) as spool, pytest.raises(RefusedError) as caught:
        download(Endless(), spool, Limits(5_000_000, 1 << 30, None), observer)

    assert caught.value.reason is Reason.SOURCE_TOO_LARGE
    assert spool.size_bytes <= 5_000_000
