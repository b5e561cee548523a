"""The API server's clock, by which everything is dated that we read: our own node's may be minutes off."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from mediaimport_api.model import MAX_YEAR, MIN_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable

_TOLERANCE = timedelta(seconds=2)
"""A Date has whole seconds, and is some time on its way."""
_EARLY_YEAR = re.compile(r" 0[0-9]{3} ")
"""The parser takes the year 0001 for 2001."""


def _local() -> datetime:
    return datetime.now(UTC)


def _parsed(date: str) -> datetime | None:
    if _EARLY_YEAR.search(date):
        return None
    try:
        # `-0000` says that the zone is unknown: https://www.rfc-editor.org/rfc/rfc5322#section-3.3
        found = parsedate_to_datetime(date)
        reported = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return reported if MIN_YEAR <= reported.year <= MAX_YEAR else None


class Clock:
    """The node's clock, put right by the Date of the API server's answers."""

    def __init__(self, local: Callable[[], datetime] = _local) -> None:
        self._local = local
        self._offset = timedelta()

    @property
    def offset_s(self) -> float:
        """Return by how many seconds the API server is ahead of this node; 0 if hardly."""
        return self._offset.total_seconds()

    def sync_from_date(self, date: str | None) -> None:
        """Set the offset by the Date header of an answer that has just come; one that is no date changes nothing.

        Nor does one that no clock shows: what adds a wait to the year 9999 fails.
        """
        reported = _parsed(date or "")
        if reported is None:
            return
        offset = reported - self._local()
        self._offset = offset if abs(offset) > _TOLERANCE else timedelta()

    def now(self) -> datetime:
        """Return the time."""
        return self._local() + self._offset
