"""The one parser of our own that reads hostile media: it never fails, and never takes much."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_prober.webp import animation, first_still

NUMBERS = st.integers(0, 2**32 - 1) | st.integers(0, 40)
CHUNKS = st.lists(
    st.tuples(st.sampled_from([b"VP8X", b"ANMF", b"ANIM", b"ALPH", b"VP8 ", b"VP8L"]), NUMBERS, st.binary(max_size=60))
)


@given(CHUNKS)
@pytest.mark.attack("an animated WebP with wrong lengths", "skipped: no error, no memory")
def test_lengths_that_lie_are_passed_over(chunks: list[tuple[bytes, int, bytes]]) -> None:
    body = b"".join(name + length.to_bytes(4, "little") + data for name, length, data in chunks)
    file = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9) + body

    animation(io.BytesIO(file))
    still = first_still(io.BytesIO(file))

    assert still is None or len(still.webp) <= len(file) + 60


@given(st.binary(max_size=100))
def test_what_is_no_animation_is_none(data: bytes) -> None:
    assert animation(io.BytesIO(data)) is None
    assert first_still(io.BytesIO(data)) is None
