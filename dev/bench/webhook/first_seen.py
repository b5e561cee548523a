"""Times at which objects appeared in a watch of the API server."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes import client, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Object = dict[str, Any]


@dataclass
class Sightings:
    """Monotonic time at which each name was first seen; a thread follows the watch.

    `name_of` maps an object to the name to note, None for an object that does not count yet.
    """

    list_function: Callable[..., Any]
    arguments: dict[str, Any]
    name_of: Callable[[Object], str | None]
    seen: dict[str, float] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def follow(self) -> None:
        """Start to follow; ends with the process."""
        threading.Thread(target=self._run, daemon=True).start()

    def await_name(self, name: str, *, timeout_s: float) -> float:
        """Return when the name was first seen; TimeoutError if it is not."""
        with self._news:
            if not self._news.wait_for(lambda: name in self.seen, timeout=timeout_s):
                raise TimeoutError(f"{name} did not appear within {timeout_s} s")
            return self.seen[name]

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except client.ApiException as error:
                if error.status != HTTPStatus.GONE:
                    raise

    def _follow(self) -> None:
        """Follow until the API server has forgotten the version from which the watch would go on."""
        stream: Callable[..., Iterator[dict[str, Object]]] = watch.Watch().stream  # type: ignore[no-untyped-call]
        for event in stream(self.list_function, **self.arguments):
            now = time.monotonic()
            name = self.name_of(event["raw_object"])
            if name is not None:
                with self._news:
                    self.seen.setdefault(name, now)
                    self._news.notify_all()
