"""data: URIs in pieces."""

from __future__ import annotations

import base64
import os
from urllib.parse import quote_from_bytes

import pytest
from mediaimport_api.data_uri import decoded

BYTES = bytes(range(256)) * 3


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 7, 64, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 255, 768])
def test_pieces_of_any_length_make_the_same_bytes(piece: int, size: int) -> None:
    data = BYTES[:size]
    encoded = base64.b64encode(data).decode()
    uris = [
        f"data:image/png;base64,{encoded}",
        f"data:image/png;base64,{encoded.rstrip('=')}",
        f"data:;BASE64,{base64.urlsafe_b64encode(data).decode()}",
        f"data:;base64,{quote_from_bytes(encoded.encode(), safe='')}",
        f"data:application/octet-stream,{quote_from_bytes(data)}",
    ]
    for uri in uris:
        assert b"".join(decoded(uri, piece_characters=piece)) == data


@pytest.mark.parametrize("piece", [1, 3, 4, 1 << 20])
@pytest.mark.parametrize("body", ["!!!!", "a", "aaaaa", "aGVs=bG8", "aGVsbG8=aGVsbG8=", "aG=sbG8="])
def test_broken_base64_is_an_error_whatever_the_pieces(piece: int, body: str) -> None:
    with pytest.raises(ValueError, match="has invalid base64"):
        list(decoded(f"data:;base64,{body}", piece_characters=piece))


def test_uri_without_a_comma_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no comma"):
        list(decoded("data:image/png;base64"))


def test_pieces_are_of_bounded_size() -> None:
    uri = "data:;base64," + base64.b64encode(os.urandom(1_000_000)).decode()
    assert max(map(len, decoded(uri))) <= 256 * 1024
