"""Removed outputs: imports of predictions that were here and are deleted."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.catalogue.entry import Entry

_MAX_PREDICTIONS = 10_000


class RemovedOutputs:
    """Those of the last predictions; `on_removed` gets each."""

    def __init__(self, on_removed: Callable[[Entry], None]) -> None:
        self._on_removed = on_removed
        self._names: OrderedDict[str, set[str]] = OrderedDict()

    def count(self, job_id: str) -> int:
        """Return the number of a prediction's."""
        return len(self._names.get(job_id, ()))

    def note(self, entry: Entry) -> None:
        """Note that a prediction lacks an asset, once: an import that its importer found deleted may come and go."""
        if entry.job_id is None or entry.resource_name in self._names.get(entry.job_id, ()):
            return
        self._on_removed(entry)
        self._names.setdefault(entry.job_id, set()).add(entry.resource_name)
        self._names.move_to_end(entry.job_id)
        if len(self._names) > _MAX_PREDICTIONS:
            self._names.popitem(last=False)
