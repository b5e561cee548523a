"""Events of watches, taken from kopf's connections before kopf.

kopf gives each object a task, a queue and copies: two milliseconds an event, and an import's Job and pod have twenty.
Here they reach the caches at once, and kopf gets a bookmark for each: it moves on in the watch, and lists and begins
again as ever. Where it lists objects, its handlers get them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaimport_runtime.kubernetes.answers import watch_event
from mediaimport_runtime.kubernetes.errors import ExpiredError, UnavailableError
from mediaimport_runtime.kubernetes.objects import json_bytes

from mediaimport_operator.run.kopf_session import AnswerGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mediaimport_runtime.kubernetes.answers import Change


class DirectWatch(AnswerGuard):
    """A guard of answers that takes events."""

    def __init__(
        self,
        takers: Mapping[str, Callable[[Change], bool]],
        **options: Any,  # noqa: ANN401 - AnswerGuard's
    ) -> None:
        """Take, for each kind (`pods`), a function that returns whether it takes an event: kopf does not get it."""
        super().__init__(**options)
        self._takers = takers

    def line(self, path: str, line: bytes) -> bytes | None:
        """Return a line of a watch for kopf: a bookmark in the place of an event that is taken."""
        taker = self._takers.get(path.rpartition("/")[2])
        if taker is None:
            return super().line(path, line)
        try:
            change = watch_event(line)
        except (ExpiredError, UnavailableError, ValueError):
            return super().line(path, line)
        if change is None or change.kind == "BOOKMARK" or not taker(change):
            return super().line(path, line)
        self._pauses.succeeded(path)
        return _bookmark(change)


def _bookmark(change: Change) -> bytes:
    version = change.resource["metadata"]["resourceVersion"]
    return json_bytes({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}) + b"\n"
