"""Totals of assets: their number and bytes by month of creation, status and type; what is stored twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mediaimport_webhook.catalogue.entry import Entry

_MONTH_LENGTH = len("2026-01")


@dataclass(frozen=True, slots=True)
class Total:
    """Assets of one kind: how many, and their bytes; `file_type` None is of those whose type nobody knows yet."""

    month: str
    """Of the resource's creation, in UTC: `2026-01`."""
    status: str
    file_type: str | None
    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Stored assets whose bytes another one has, too, by SHA-256. One of the copies is no duplicate."""

    count: int
    size_bytes: int


def totals_of(entries: Iterable[Entry]) -> list[Total]:
    """Return the totals of the entries."""
    counts, sizes = Counter[tuple[str, str, str | None]](), Counter[tuple[str, str, str | None]]()
    for each in entries:
        kind = each.created_at[:_MONTH_LENGTH], each.status, each.json["type"]
        counts[kind] += 1
        sizes[kind] += each.size_bytes
    return [Total(*kind, count=count, size_bytes=sizes[kind]) for kind, count in counts.items()]


def duplicates_of(entries: Iterable[Entry]) -> Duplicates:
    """Return the duplicates among the entries."""
    stored = ((each.json["metadata"]["sha256"], each.size_bytes) for each in entries if each.status == "ready")
    copies = Counter(each for each in stored if each[0] is not None)
    surplus = [(number - 1, size_bytes) for (_, size_bytes), number in copies.items()]
    return Duplicates(sum(number for number, _ in surplus), sum(number * size_bytes for number, size_bytes in surplus))
