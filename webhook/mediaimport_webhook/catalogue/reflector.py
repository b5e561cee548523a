"""Reflector: keeps the catalogue equal to the cluster by a paged list, then a watch with bookmarks.

A broken watch goes on from its last version; an expired one lists again. Between some resources of a list others have
their turn, so a list of any length delays no request.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, assert_never

from mediaimport_runtime import long_lived
from mediaimport_runtime.kubernetes.errors import ExpiredError, KubernetesError, named_wait_s

from mediaimport_webhook.catalogue.entry import entry_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mediaimport_runtime.kubernetes.answers import Change

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.cluster import Cluster, Resource

log = logging.getLogger(__name__)
_PAGE = 500
_TURN = 50
"""Resources of a page that are read in one turn of the event loop: some milliseconds."""
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0


async def _learn_nothing(_: Sequence[Entry]) -> bool:
    return False


class Reflector:
    """Feeds the catalogue. `synced` is set once the first list is complete.

    `learn` gets the entries of each page of a list before the catalogue has them, until it returns False.
    """

    def __init__(
        self,
        cluster: Cluster,
        catalogue: Catalogue,
        *,
        learn: Callable[[Sequence[Entry]], Awaitable[bool]] = _learn_nothing,
        monotonic: Callable[[], float] = time.monotonic,
        first_backoff_s: float = _FIRST_BACKOFF_S,
    ) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._learn = learn
        self._monotonic = monotonic
        self._first_backoff_s = first_backoff_s
        self._backoff_s = first_backoff_s
        self._last_event: float | None = None
        self._version: int | None = None
        self._failing = False
        self.synced = asyncio.Event()

    @property
    def last_event_age_s(self) -> float | None:
        """Return seconds since the last list or watch event, None before the first list."""
        return None if self._last_event is None else self._monotonic() - self._last_event

    @property
    def stale_s(self) -> int | None:
        """Return the age of the cache while the cluster does not answer, None while it does."""
        return int(self.last_event_age_s or 0) if self._failing else None

    @property
    def is_stale(self) -> bool:
        """Return whether the cache is not synced yet, or the cluster does not answer."""
        return self._failing or not self.synced.is_set()

    async def run(self) -> None:
        """List and watch for ever; back off after each failure."""
        while True:
            try:
                await self._list_and_watch()
            except ExpiredError:
                log.info("the watch expired, listing again")
                self._version = None
                await self._back_off()
            except KubernetesError as error:
                self._failing = True
                log.warning("the cluster cannot be read", extra={"error": str(error)})
                await self._back_off(named_wait_s(error))
            except Exception:
                log.exception("the reflector failed")
                self._version = None
                await self._back_off()

    async def _list_and_watch(self) -> None:
        """List if no version is known; then watch until the server ends the watch."""
        version = self._version if self._version is not None else await self._list()
        received = False
        async for change in self._cluster.watch_imports(str(version)):
            self._apply(change)
            self._succeeded()
            received = True
        if not received:
            await self._back_off()

    async def _list(self) -> int:
        """List all resources, page by page. Only what the catalogue keeps of them stays in memory."""
        listed: set[str] = set()
        after, learns = "", True
        while True:
            page = await self._cluster.list_imports(limit=_PAGE, after=after)
            entries = await _entries_of(page.items)
            learns = learns and await self._learn(entries)
            for number, each in enumerate(entries):
                listed.add(each.resource_name)
                self._catalogue.put_listed(each)
                await _turn_after(number)
            # Entries stay: with 20,000 of them a whole collection holds up all requests for 60 ms.
            long_lived.freeze()
            if not page.next:
                break
            after = page.next
        self._version = int(page.version)
        self._catalogue.end_list(listed, version=self._version)
        self._succeeded()
        self.synced.set()
        return self._version

    def _apply(self, change: Change) -> None:
        version = int(change.resource["metadata"]["resourceVersion"])
        match change.kind:
            case "ADDED" | "MODIFIED":
                self._catalogue.observe(change.resource)
            case "DELETED":
                self._catalogue.forget(change.resource)
            case "BOOKMARK":
                self._catalogue.advance(version)
            case _:
                assert_never(change.kind)
        self._version = version

    def _succeeded(self) -> None:
        self._last_event = self._monotonic()
        self._backoff_s = self._first_backoff_s
        self._failing = False

    async def _back_off(self, at_least_s: float = 0) -> None:
        """Wait, twice as long each time, with jitter: replicas do not retry in step."""
        await asyncio.sleep(max(self._backoff_s * random.uniform(0.5, 1.0), at_least_s))  # noqa: S311 - no secret
        self._backoff_s = min(self._backoff_s * 2, _MAX_BACKOFF_S)


async def _entries_of(resources: Sequence[Resource]) -> list[Entry]:
    entries = []
    for number, each in enumerate(resources):
        entries.append(entry_of(each))
        await _turn_after(number)
    return entries


async def _turn_after(number: int) -> None:
    """Let others have their turn, after some resources."""
    if number % _TURN == _TURN - 1:
        await asyncio.sleep(0)
