"""Pieces of any size become chunks of one size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_importer.download import chunks


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20), st.integers(1, 20))
def test_nothing_is_lost_or_moved(pieces: list[bytes], first_bytes: int, chunk_bytes: int) -> None:
    cut = list(chunks(pieces, first_bytes=first_bytes, chunk_bytes=chunk_bytes))

    assert b"".join(cut) == b"".join(pieces)
    assert all(cut)
    assert [len(chunk) for chunk in cut[1:-1]] == [chunk_bytes] * len(cut[1:-1])
    assert not cut[1:] or len(cut[0]) == first_bytes
