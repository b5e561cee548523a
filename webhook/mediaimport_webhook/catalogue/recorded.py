"""Recorded imports: those that have ended and whose rows are written, of which the cache keeps only this in short.

Whoever needs more of them reads the catalogue's database. Without one there are none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_api.status import Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.told import Told

UNKNOWN_REASON = "Unknown"


class RecordedImport(NamedTuple):
    """A resource that exists, and whose row has its end."""

    resource_name: str
    version: int
    asset_id: str
    user_id: str
    created_at: str
    reason: str | None
    """Of a failed import."""
    stored_bytes: int
    told: Told | None
    recovered: bool
    broken: bool

    @property
    def order(self) -> tuple[str, str, str]:
        """Return the sort key of lists, as the entry has it."""
        return self.created_at, self.asset_id, self.resource_name


class RecordedImports:
    """All of them, by name and by asset."""

    def __init__(self) -> None:
        self._by_name: dict[str, RecordedImport] = {}
        self._names_by_asset: dict[str, tuple[str, ...]] = {}
        self.recovered = 0
        """Number of those that recovery created."""
        self.broken = 0
        """Number of those that cannot be shown whole."""

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, entry: Entry) -> None:
        """Keep in short what an entry tells."""
        recorded = _recorded(entry)
        self._by_name[entry.resource_name] = recorded
        asset = entry.asset_id.lower()
        self._names_by_asset[asset] = (*self._names_by_asset.get(asset, ()), entry.resource_name)
        self.recovered += recorded.recovered
        self.broken += recorded.broken

    def discard(self, resource_name: str) -> None:
        """Forget an import, if it is one of these."""
        recorded = self._by_name.pop(resource_name, None)
        if recorded is None:
            return
        self.recovered -= recorded.recovered
        self.broken -= recorded.broken
        asset = recorded.asset_id.lower()
        names = tuple(each for each in self._names_by_asset[asset] if each != resource_name)
        if names:
            self._names_by_asset[asset] = names
        else:
            del self._names_by_asset[asset]

    def get(self, resource_name: str) -> RecordedImport | None:
        """Return the import of that resource."""
        return self._by_name.get(resource_name)

    def names_of(self, asset_id: str, *, user_id: str | None) -> list[str]:
        """Return the names of the resources of that asset, of that user or for None of any."""
        found = (self._by_name[name] for name in self._names_by_asset.get(asset_id.lower(), ()))
        return [each.resource_name for each in found if user_id in {None, each.user_id}]

    def of_user(self, user_id: str | None) -> Iterator[RecordedImport]:
        """Yield the imports of that user, or of all for None, in no order."""
        return (each for each in self._by_name.values() if user_id in {None, each.user_id})

    def stored_bytes(self, user_id: str) -> int:
        """Return the bytes of that user's stored assets."""
        return sum(each.stored_bytes for each in self.of_user(user_id))

    def missing(self, listed: Collection[str], *, version: int) -> list[str]:
        """Return the names of those that a list of that version lacks."""
        return [name for name, each in self._by_name.items() if name not in listed and each.version <= version]


def _recorded(entry: Entry) -> RecordedImport:
    is_failed = entry.json["phase"] == Phase.FAILED
    return RecordedImport(
        resource_name=entry.resource_name,
        version=entry.version,
        asset_id=entry.asset_id,
        user_id=sys.intern(entry.user_id),
        created_at=entry.created_at,
        reason=sys.intern(entry.json["reason"] or UNKNOWN_REASON) if is_failed else None,
        stored_bytes=entry.size_bytes if entry.status == "ready" else 0,
        told=entry.told,
        recovered=entry.recovered,
        broken=entry.json["broken"] is not None,
    )
