"""Words of full-text search: those that an asset has, and those that a query asks for. Pure.

Both databases search the same text: PostgreSQL by a GIN index on its words, SQLite by LIKE. A word has neither space
nor ASCII punctuation, so it needs no escape in LIKE, and none in a tsquery but its quotes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_QUERY = 200
_MAX_WORDS = 16
_MAX_WORD = 64
_SEPARATORS = re.compile(r"[\s\0-/:-@\[-`{-\xa0\u2000-\u206f\u3000-\u303f]+")
"""Spaces, control characters, and the punctuation of ASCII, of books and of East Asia."""


def words_of(text: str) -> list[str]:
    """Return the words, each once, without case and compatibility forms; a long one is cut."""
    plain = text.lower() if text.isascii() else _folded(text)
    return list(dict.fromkeys(each[:_MAX_WORD] for each in _SEPARATORS.split(plain) if each))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def searchable(name: str, tags: list[str], metadata: Mapping[str, Any], prompt: object) -> str:
    """Return the words of an asset with a space between them."""
    texts = [name, *tags]
    _add_texts(texts, prompt)
    _add_texts(texts, metadata)
    return " ".join(words_of(" ".join(texts)))


def searched(query: str) -> tuple[str, ...]:
    """Return the words that a query asks for; ValueError for one that is too long or has none."""
    if len(query) > MAX_QUERY:
        raise ValueError(f"is longer than {MAX_QUERY} characters")
    found = words_of(query)
    if not 0 < len(found) <= _MAX_WORDS:
        raise ValueError(f"must have 1 to {_MAX_WORDS} words")
    return tuple(found)


def _add_texts(found: list[str], value: object) -> None:
    """Add the texts and numbers of a JSON value, names of fields left out."""
    match value:
        case str():
            found.append(value)
        case None | bool():
            pass
        case dict():
            for each in value.values():
                _add_texts(found, each)
        case list():
            for each in value:
                _add_texts(found, each)
        case _:
            found.append(str(value))
