"""The data: URI, decoded in pieces of bounded size: https://www.rfc-editor.org/rfc/rfc2397. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEME = "data:"
_PIECE_CHARACTERS = 256 * 1024
_QUARTET = 4
_ESCAPE_TAIL = 2
_STANDARD = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n"


def decoded(uri: str, *, piece_characters: int = _PIECE_CHARACTERS) -> Iterator[bytes]:
    """Yield the bytes in the URI; ValueError if it is malformed. Its media type is ignored.

    The URL-safe alphabet and missing padding are common.
    """
    comma = uri.find(",")
    if comma < 0:
        raise ValueError("has no comma before its data")
    unquoted = _unquoted(uri, comma + 1, piece_characters)
    is_base64 = uri[len(SCHEME) : comma].lower().endswith(";base64")
    yield from _of_base64(unquoted) if is_base64 else unquoted


def _unquoted(text: str, start: int, piece_characters: int) -> Iterator[bytes]:
    """Yield the text from there without percent-encoding; no piece ends within an escape."""
    while start < len(text):
        end = start + piece_characters
        while "%" in text[end - _ESCAPE_TAIL : end] and end < len(text):
            end += 1
        yield unquote_to_bytes(text[start:end])
        start = end


def _of_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        text = rest + piece.translate(_STANDARD, _BLANKS)
        # Padding waits, since nothing may follow it.
        data = text.rstrip(b"=")
        whole = len(data) // _QUARTET * _QUARTET
        yield _strict(data[:whole])
        rest = data[whole:] + text[len(data) :]
    yield _strict(rest.rstrip(b"="))


def _strict(data: bytes) -> bytes:
    """Decode base64 without padding; ValueError."""
    try:
        if b"=" not in data:
            return base64.b64decode(data + b"=" * (-len(data) % _QUARTET), validate=True)
    except binascii.Error:
        pass
    raise ValueError("has invalid base64")
