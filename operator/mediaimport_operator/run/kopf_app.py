"""kopf as a shell: login, watches, signals. Handlers only update the caches and queue the import's key."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import kopf
from mediaimport_api import names
from mediaimport_runtime.kubernetes.answers import PAGE
from mediaimport_runtime.kubernetes.config import configuration

from mediaimport_operator.observe.cache import import_uid
from mediaimport_operator.pods.import_job import selector
from mediaimport_operator.run.kopf_session import AnswerGuard, open_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.reconcile.context import Context
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
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """Return kopf's handlers."""
    handlers = kopf.OperatorRegistry()
    cache = context.cache
    guard = _guard(context, options)

    @kopf.on.startup(registry=handlers)
    async def started(**_: object) -> None:
        await start()

    @kopf.on.cleanup(registry=handlers)
    async def stopping(**_: object) -> None:
        await stop()

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        info = await connection()
        return kopf.AiohttpSession(server=info.server, aiohttp_session=open_session(info, guard))

    _watch(handlers, context, _IMPORTS, update=cache.imports.update, remove=cache.imports.remove, key=_uid)
    _watch(handlers, context, _JOBS, update=cache.jobs.update, remove=cache.jobs.remove, key=import_uid)
    _watch(handlers, context, _PODS, update=cache.pods.update, remove=cache.remove_pod, key=import_uid)
    return handlers


def _watch(  # noqa: PLR0913 - one line for each kind above
    handlers: kopf.OperatorRegistry,
    context: Context,
    kind: tuple[str, str, str],
    *,
    update: Callable[[Object], bool],
    remove: Callable[[Object], bool],
    key: Callable[[Object], str],
) -> None:
    """Watch a kind: update the cache from each event, and queue the import's key if the object has changed."""
    queue = context.queue

    @kopf.on.event(*kind, registry=handlers, id=f"{kind[2]}-changed")
    async def changed(event: kopf.RawEvent, **_: object) -> None:
        item = cast("Object", event["object"])
        try:
            if (remove if event["type"] == "DELETED" else update)(item):
                queue.add(key(item))
        except Exception as error:  # noqa: BLE001 - any field may hold anything; the next object is another's
            context.unreadable(kind[2], error)


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def _guard(context: Context, options: kopf.OperatorSettings) -> AnswerGuard:
    def set_page_size(size: int) -> None:
        options.watching.chunk_size = size

    return AnswerGuard(
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
