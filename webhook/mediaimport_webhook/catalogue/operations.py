"""Operations summary: imports under way by phase, failed ones by reason, and sources that end next. Pure."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mediaimport_api.status import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mediaimport_webhook.catalogue.entry import Entry

SHOWN = 10
"""Imports of each group that are shown."""
_UNDER_WAY = (Phase.PENDING, Phase.QUEUED, Phase.IMPORTING, Phase.WAITING, Phase.SUSPENDED)


@dataclass(frozen=True, slots=True)
class PhaseGroup:
    """Imports of one phase: how many, and those that are in the cluster for longest, the oldest first."""

    phase: Phase
    count: int
    oldest: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Failed imports of one reason: how many, and the newest."""

    reason: str
    count: int
    newest: Entry


@dataclass(frozen=True, slots=True)
class Summary:
    """Imports whose resource exists: `failed` with the most frequent reason first, `expiring` with the first to end."""

    under_way: Sequence[PhaseGroup]
    failed: Sequence[ReasonGroup]
    expiring: Sequence[Entry]


def summary_of(entries: Iterable[Entry]) -> Summary:
    """Return the summary of entries that come newest first."""
    counts, reasons = Counter[Phase](), Counter[str]()
    oldest: defaultdict[Phase, deque[Entry]] = defaultdict(partial(deque, maxlen=SHOWN))
    newest: dict[str, Entry] = {}
    expiring: list[Entry] = []
    for each in entries:
        phase = Phase(each.json["phase"])
        if phase is Phase.FAILED:
            reason = each.json["reason"] or "Unknown"
            reasons[reason] += 1
            newest.setdefault(reason, each)
        elif phase is not Phase.READY:
            counts[phase] += 1
            oldest[phase].appendleft(each)
            if each.source_expires_at is not None:
                expiring.append(each)
    return Summary(
        [PhaseGroup(each, counts[each], list(oldest[each])) for each in _UNDER_WAY],
        [ReasonGroup(reason, count, newest[reason]) for reason, count in reasons.most_common()],
        heapq.nsmallest(SHOWN, expiring, key=lambda each: (each.source_expires_at, *each.order)),
    )
