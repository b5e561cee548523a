"""Operations summary: imports under way by phase, failed ones by reason, and sources that end next. Pure."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mediaimport_api.status import Phase

from mediaimport_webhook.catalogue.recorded import UNKNOWN_REASON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.recorded import RecordedImport

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
    newest: Entry | RecordedImport


@dataclass(frozen=True, slots=True)
class Summary:
    """Imports whose resource exists: `failed` with the most frequent reason first, `expiring` with the first to end."""

    under_way: Sequence[PhaseGroup]
    failed: Sequence[ReasonGroup]
    expiring: Sequence[Entry]


def summary_of(entries: Iterable[Entry], recorded: Iterable[RecordedImport] = ()) -> Summary:
    """Return the summary of entries that come newest first, and of recorded imports in any order."""
    counts = Counter[Phase]()
    oldest: defaultdict[Phase, deque[Entry]] = defaultdict(partial(deque, maxlen=SHOWN))
    failed: defaultdict[str, list[Entry | RecordedImport]] = defaultdict(list)
    expiring: list[Entry] = []
    for each in entries:
        phase = Phase(each.json["phase"])
        if phase is Phase.FAILED:
            failed[each.json["reason"] or UNKNOWN_REASON].append(each)
        elif phase is not Phase.READY:
            counts[phase] += 1
            oldest[phase].appendleft(each)
            if each.source_expires_at is not None:
                expiring.append(each)
    for one in recorded:
        if one.reason is not None:
            failed[one.reason].append(one)
    return Summary(
        [PhaseGroup(each, counts[each], list(oldest[each])) for each in _UNDER_WAY],
        _groups(failed),
        heapq.nsmallest(SHOWN, expiring, key=lambda each: (each.source_expires_at, *each.order)),
    )


def _groups(failed: Mapping[str, Sequence[Entry | RecordedImport]]) -> list[ReasonGroup]:
    groups = [ReasonGroup(reason, len(each), max(each, key=lambda one: one.order)) for reason, each in failed.items()]
    return sorted(groups, key=lambda group: -group.count)
