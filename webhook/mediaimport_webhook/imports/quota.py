"""Quota of bytes per user: it refuses imports by request, and never what a generator has made already."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue import DatabaseUnavailableError
from mediaimport_webhook.catalogue.totals import totals_of
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue import Entry, Listing
    from mediaimport_webhook.catalogue.totals import Total

log = logging.getLogger(__name__)


@dataclass
class Allowance:
    """Bytes of a user during one request. What is under way counts as far as its size is known."""

    stored_bytes: int
    pending_bytes: int
    quota_bytes: int | None

    @property
    def is_used_up(self) -> bool:
        """Return whether nothing more fits."""
        return self.quota_bytes is not None and self.stored_bytes + self.pending_bytes >= self.quota_bytes

    def take(self, size_bytes: int | None) -> None:
        """Count an import of that size, None if it is not known; a 403 Problem if it does not fit."""
        more = size_bytes or 0
        if self.quota_bytes is None:
            return
        if self.is_used_up or self.stored_bytes + self.pending_bytes + more > self.quota_bytes:
            raise self._exceeded(size_bytes)
        self.pending_bytes += more

    def _exceeded(self, size_bytes: int | None) -> problems.Problem:
        pending = f" and {self.pending_bytes} under way" if self.pending_bytes else ""
        asked = "" if size_bytes is None else f"; this import has {size_bytes}"
        detail = (
            f"You have {self.stored_bytes} bytes stored{pending}, of at most {self.quota_bytes}{asked}."
            " Delete assets, or ask the operator of this service for more."
        )
        return problems.Problem(HTTPStatus.FORBIDDEN, "quota-exceeded", detail)


@dataclass(frozen=True)
class Quota:
    """The quota of every user; None is no limit."""

    bytes_per_user: int | None
    listing: Listing

    async def allowance(self, user_id: str) -> Allowance:
        """Return what a user has now. While the database does not answer, the imports whose resources exist count."""
        if self.bytes_per_user is None:
            return Allowance(0, 0, None)
        present = list(self.listing.catalogue.entries_of(user_id))
        stored_bytes = _stored_bytes(totals_of(present)) + self.listing.catalogue.recorded.stored_bytes(user_id)
        try:
            # What was stored a moment ago may be missing in the database's totals.
            stored_bytes = max(stored_bytes, _stored_bytes(await self.listing.totals(user_id=user_id)))
        except DatabaseUnavailableError as error:
            log.warning("the catalogue's database does not answer", extra={"error": str(error)})
        return Allowance(stored_bytes, sum(map(_pending_bytes, present)), self.bytes_per_user)


def _stored_bytes(totals: list[Total]) -> int:
    return sum(each.size_bytes for each in totals if each.status == "ready")


def _pending_bytes(entry: Entry) -> int:
    """Return the bytes of an import under way, 0 while its source has not told them."""
    progress = entry.json["progress"] if entry.status == "uploading" else None
    return (progress and progress["bytes_total"]) or 0
