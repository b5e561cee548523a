"""Pieces of any size become chunks of one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_importer.download import chunks, is_truncated

from tests.support.media_studio import TEST_VIDEO

if TYPE_CHECKING:
    from tests.support.media_studio import Studio


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20), st.integers(1, 20))
def test_nothing_is_lost_or_moved(pieces: list[bytes], first_bytes: int, chunk_bytes: int) -> None:
    cut = list(chunks(pieces, first_bytes=first_bytes, chunk_bytes=chunk_bytes))

    assert b"".join(cut) == b"".join(pieces)
    assert all(cut)
    assert [len(chunk) for chunk in cut[1:-1]] == [chunk_bytes] * len(cut[1:-1])
    assert not cut[1:] or len(cut[0]) == first_bytes


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.webp"])
@pytest.mark.trap("cut short", "jpg, png, webp", "Truncated, though ffprobe finds nothing wrong")
def test_truncated_image_is_detected(name: str, studio: Studio) -> None:
    whole = studio.make(f"whole-{name}", *TEST_VIDEO, "-frames:v", "1").read_bytes()
    half = whole[: len(whole) // 2]
    extension = name.partition(".")[2]

    assert is_truncated(extension, head=half, tail=half, size_bytes=len(half))
    assert not is_truncated(extension, head=whole, tail=whole, size_bytes=len(whole))
