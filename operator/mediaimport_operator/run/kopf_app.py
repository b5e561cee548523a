"""kopf as a shell: login, watches, signals. Handlers only update the caches and queue the import's key.

Events of Jobs and pods do so before kopf gets them (`kopf_session`).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import kopf

# kopf takes an inventory of ours, and exports no name for it.
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory
from mediaimport_api import names
from mediaimport_runtime.kubernetes.answers import PAGE
from mediaimport_runtime.kubernetes.config import configuration

from mediaimport_operator.observe.cache import import_uid
from mediaimport_operator.pods.import_job import selector
from mediaimport_operator.run.kopf_session import AnswerGuard, open_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from mediaimport_runtime.kubernetes.answers import Change
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.reconcile.context import Context
    from mediaimport_operator.run.watch_silence import WatchSilence
    from mediaimport_operator.settings.operator import Settings


_IMPORTS = (names.GROUP, names.VERSION, names.PLURAL)
_JOBS = ("batch", "v1", "jobs")
_PODS = ("", "v1", "pods")
_KILL_S = 60.0
"""The time after which kopf kills a process whose end hangs."""


class Backoffs:
    """Backoffs of kopf's requests, without end: kopf's own end after a minute, and the process with them."""

    def __iter__(self) -> Iterator[float]:
        """Yield 0.5, 1, 2, then about 3 for ever; with jitter, so that watches do not reconnect all at once."""
        for wait_s in (0.5, 1.0, 2.0):
            yield wait_s * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret
        while True:
            yield random.uniform(2.5, 3.5)  # noqa: S311 - jitter is no secret


class NullDiffBaseStorage(kopf.DiffBaseStorage):
    """Stores no last-handled state: handlers of raw events ask for none.

    By default kopf copies each object four times to find its changes, which takes 15 ms an import.
    """

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's own signature
        """Return an empty essence, which never differs."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's signature
        """Return None: nothing is stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class NoMemories(ResourceMemories):
    """Keeps nothing of an object from one event to the next: handlers of raw events need no more.

    By default kopf keeps a kilobyte of each object, in ten objects that the garbage collector looks through.
    """

    async def recall(
        self,
        raw_body: kopf.RawBody,
        *,
        memobase: Any = None,  # noqa: ANN401 - kopf's signature
        noticed_by_listing: bool = False,
        ephemeral: bool = False,  # noqa: ARG002 - kopf's signature
    ) -> ResourceMemory:
        """Return a new memory."""
        return await super().recall(raw_body, memobase=memobase, noticed_by_listing=noticed_by_listing, ephemeral=True)


def kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """Return kopf's settings: watches with our selectors, lists in pages, no writes, no scans, no peering."""
    options = kopf.OperatorSettings()
    options.posting.enabled = False
    options.scanning.disabled = True
    options.peering.standalone = True
    options.persistence.diffbase_storage = NullDiffBaseStorage()
    options.watching.chunk_size = PAGE
    options.watching.server_timeout = 600
    options.watching.connect_timeout = 10
    options.watching.reconnect_backoff = 0.5
    # kopf's own limit may cancel a watch that has begun again since, for ever and without a word: WatchLines has one.
    options.watching.inactivity_timeout = math.inf
    for kind in (_JOBS, _PODS):
        options.watching.label_selectors[cast("Any", kind)] = selector(settings.instance)
    options.networking.request_timeout = 30
    options.networking.connect_timeout = 10
    options.networking.error_backoffs = cast("Any", Backoffs())
    # kopf keeps a worker for so long after each object's last event.
    options.queueing.idle_timeout = 0.5
    options.queueing.exit_timeout = 10
    options.process.ultimate_exiting_timeout = _KILL_S
    return options


def registry(
    *,
    context: Context,
    options: kopf.OperatorSettings,
    silence: WatchSilence,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """Return kopf's handlers; `silence` hears of each watch."""
    handlers = kopf.OperatorRegistry()
    checks = guard(context, options, silence)

    @kopf.on.startup(registry=handlers)
    async def started(**_: object) -> None:
        await start()

    @kopf.on.cleanup(registry=handlers)
    async def stopping(**_: object) -> None:
        await stop()

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        info = await connection()
        return kopf.AiohttpSession(server=info.server, aiohttp_session=open_session(info, checks))

    feeds = _feeds(context)
    for kind in (_IMPORTS, _JOBS, _PODS):
        _watch(handlers, context, kind, feeds[kind[2]])
    return handlers


@dataclass(frozen=True)
class _Feed:
    """The way of a kind's objects into its cache. `update` and `remove` return whether a reconcile is needed."""

    update: Callable[[Object], bool]
    remove: Callable[[Object], bool]
    key: Callable[[Object], str]


def _feeds(context: Context) -> dict[str, _Feed]:
    cache = context.cache
    return {
        names.PLURAL: _Feed(cache.imports.update, cache.imports.remove, _uid),
        "jobs": _Feed(cache.jobs.update_with_news, cache.jobs.remove, import_uid),
        "pods": _Feed(cache.update_pod, cache.remove_pod, import_uid),
    }


def _watch(handlers: kopf.OperatorRegistry, context: Context, kind: tuple[str, str, str], feed: _Feed) -> None:
    """Watch a kind: feed its cache from each object that kopf lists or reports."""

    @kopf.on.event(*kind, registry=handlers, id=f"{kind[2]}-changed")
    async def changed(event: kopf.RawEvent, **_: object) -> None:
        _take(context, kind[2], feed, cast("Object", event["object"]), deleted=event["type"] == "DELETED")


def _take(context: Context, kind: str, feed: _Feed, item: Object, *, deleted: bool) -> None:
    """Update the cache, and queue the import's key if an object says so."""
    try:
        if (feed.remove if deleted else feed.update)(item):
            context.queue.add(feed.key(item))
    except Exception as error:  # noqa: BLE001 - any field may hold anything; the next object is another's
        context.unreadable(kind, error)


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def guard(context: Context, options: kopf.OperatorSettings, silence: WatchSilence) -> AnswerGuard:
    """Return the guard of kopf's answers. Events of Jobs and pods do not reach kopf, nor our own writes of imports."""

    def set_page_size(size: int) -> None:
        options.watching.chunk_size = size

    feeds = _feeds(context)

    def take(kind: str, change: Change) -> bool:
        _take(context, kind, feeds[kind], change.resource, deleted=change.kind == "DELETED")
        return True

    def is_known(change: Change) -> bool:
        changed = change.kind == "DELETED" or "uid" not in change.resource["metadata"]
        return not changed and context.cache.imports.is_known(change.resource)

    return AnswerGuard(
        {"jobs": partial(take, "jobs"), "pods": partial(take, "pods"), names.PLURAL: is_known},
        silence=silence,
        on_request=context.metrics.request,
        on_left_out=context.metrics.left_out,
        on_page_size=set_page_size,
        most=PAGE,
    )


async def connection() -> kopf.ConnectionInfo:
    """Return kopf's connection to the API, the same as our own client's. kopf asks again when a token has expired."""
    config = await configuration()
    header = await config.get_api_key_with_prefix("BearerToken")
    scheme, _, token = (header or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=config.host,
        ca_path=config.ssl_ca_cert,
        ca_data=config.ca_cert_data,
        insecure=not config.verify_ssl,
        certificate_path=config.cert_file,
        private_key_path=config.key_file,
        username=config.username or None,
        password=config.password or None,
        scheme=scheme.title() or None,
        token=token or None,
    )
