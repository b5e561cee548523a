"""Fields of a generator's JSON, which may hold anything: what cannot be kept is left out, and costs no output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.model import MAX_YEAR
from pydantic import AwareDatetime, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from datetime import datetime

_MOMENT = TypeAdapter(AwareDatetime)
_MIN_YEAR = 1970


def text(value: object, *, max_length: int) -> str | None:
    """Return the text, cut to that length, with `?` for each half surrogate pair; None for no text and an empty one."""
    if not isinstance(value, str) or not value:
        return None
    return value[:max_length].encode(errors="replace").decode()


def moment(value: object) -> datetime | None:
    """Return the time, None for no time and for one that an import cannot have with a margin of a year."""
    try:
        found = _MOMENT.validate_python(value)
    except ValidationError:
        return None
    return found if _MIN_YEAR < found.year < MAX_YEAR - 1 else None
