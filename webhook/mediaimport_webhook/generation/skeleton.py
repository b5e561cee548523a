"""Members of a JSON object that is too large to be held, found while its bytes pass by. Pure.

Readers of JSON in pieces hold each text whole, and one text may be nearly all of a callback.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_MAX_TEXT_BYTES = 16 * 1024
"""Of a member that is kept; a callback's URL with an owner token is the longest."""
_MAX_STEPS = 1_000_000
"""A bound of the time (about a second) that a stranger's body takes: its signature is known only at its end."""
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_LEVELS = 3
"""Of whole values that are passed at once."""
_PLAIN = re.compile(rb'[^"\[\]{},]*+')
_BRACKETS = re.compile(rb"[\[{]++|[\]}]++")


def _nested(levels: int) -> bytes:
    """Return the expression of what does not change the depth: texts, and values of at most so many levels."""
    value = rb"|[\[{]" + _nested(levels - 1) + rb"[\]}]" if levels else b""
    return rb'(?:[^"\[\]{}]++|' + _TEXT + value + rb")*+"


_NESTED = re.compile(_nested(_LEVELS), re.DOTALL)


class Skeleton:
    """Those members of the outermost object that have one of the names and are texts. The last of a name counts."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._members: dict[str, str] = {}
        self._depth = 0
        self._steps = 0
        self._is_over = False
        self._rest = b""
        """A backslash at the end of a piece, whose character comes with the next."""
        self._is_in_text = False
        self._text: bytearray | None = None
        """The text that passes, None if it is of no interest."""
        self._key: str | None = None
        """The name of the member whose value comes; empty if it is none of the names."""

    @property
    def is_exhausted(self) -> bool:
        """Tell whether the object has so many parts that not all of them were looked at."""
        return self._steps > _MAX_STEPS

    @property
    def members(self) -> dict[str, str]:
        """Return the texts by name."""
        return dict(self._members)

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        piece, self._rest = self._rest + piece, b""
        at = 0
        while at < len(piece) and not self._is_over:
            self._steps += 1
            if self._is_in_text:
                at = self._pass_text(piece, at)
            elif self._depth > 1:
                at = self._pass_nested(piece, at)
            else:
                at = self._pass_outermost(piece, at)
            self._is_over = self._is_over or self.is_exhausted

    def _pass_text(self, piece: bytes, at: int) -> int:
        """Pass what is left of a text, as far as it has come."""
        match = _IN_TEXT.match(piece, at)
        end = at if match is None else match.end()
        self._keep(piece, at, end)
        if end == len(piece):
            return end
        if piece[end] == ord("\\"):
            self._rest = piece[end:]
            return len(piece)
        self._is_in_text = False
        self._end_text()
        return end + 1

    def _keep(self, piece: bytes, start: int, end: int) -> None:
        if self._text is None:
            return
        if len(self._text) + end - start > _MAX_TEXT_BYTES:
            self._text = None
        else:
            self._text += piece[start:end]

    def _end_text(self) -> None:
        """Take a text: a name, or a value, in which those of a nested one are of no interest."""
        text = "" if self._text is None else _decoded(self._text)
        if self._key is None:
            self._key = text if text in self._names else ""
            self._members.pop(self._key, None)
        elif self._key and self._text is not None:
            self._members[self._key] = text

    def _pass_nested(self, piece: bytes, at: int) -> int:
        match = _NESTED.match(piece, at)
        at = at if match is None else match.end()
        if at == len(piece):
            return at
        brackets = _BRACKETS.match(piece, at)
        if brackets is None:
            self._is_in_text, self._text = True, None
            return at + 1
        if piece[at] in b"[{":
            self._depth += len(brackets[0])
            return brackets.end()
        closed = min(len(brackets[0]), self._depth - 1)
        self._depth -= closed
        return at + closed

    def _pass_outermost(self, piece: bytes, at: int) -> int:
        match = _PLAIN.match(piece, at)
        at = at if match is None else match.end()
        if at == len(piece):
            return at
        match piece[at : at + 1]:
            case b'"' if self._depth == 1:
                self._is_in_text = True
                self._text = None if self._key == "" else bytearray()
            case b"," if self._depth == 1:
                self._key = None
            case b"{" if self._depth == 0:
                self._depth = 1
            case b"{" | b"[" if self._depth == 1:
                self._depth = 2
            case _:
                self._is_over = True
        return at + 1


def _decoded(text: bytes | bytearray) -> str:
    """Return the text in that JSON, empty if it is none."""
    try:
        return str(json.loads(b'"' + text + b'"'))
    except ValueError:
        return ""
