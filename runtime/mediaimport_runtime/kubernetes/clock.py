"""The API server's clock, by which everything is dated that we read: our own node's may be minutes off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TOLERANCE = timedelta(seconds=2)
"""A Date has whole seconds, and is some time on its way."""


def _local() -> datetime:
    return datetime.now(UTC)


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
        """Set the offset by the Date header of an answer that has just come; one that is no date changes nothing."""
        try:
            reported = parsedate_to_datetime(date or "")
        except ValueError:
            return
        if reported.tzinfo is None:
            # `-0000` says that the zone is unknown: https://www.rfc-editor.org/rfc/rfc5322#section-3.3
            reported = reported.replace(tzinfo=UTC)
        offset = reported - self._local()
        self._offset = offset if abs(offset) > _TOLERANCE else timedelta()

    def now(self) -> datetime:
        """Return the time."""
        return self._local() + self._offset
