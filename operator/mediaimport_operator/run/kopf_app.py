"""kopf as a shell: login, watches, probe, signals. Handlers only note what they saw and queue the import's key."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import kopf
from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import PAGE
from mediaimport_runtime.kubernetes.config import configuration

from mediaimport_operator.observe.cache import owner_of
from mediaimport_operator.pods.import_job import selector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from mediaimport_runtime.kubernetes.client import OnRequest
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.cache import World
    from mediaimport_operator.reconcile.queue import WorkQueue
    from mediaimport_operator.settings.operator import Settings


_IMPORTS = (names.GROUP, names.VERSION, names.PLURAL)
_JOBS = ("batch", "v1", "jobs")
_PODS = ("", "v1", "pods")
_CONNECTIONS = 128
"""Three watches for each namespace, and what kopf asks beside them."""


class Backoffs:
    """Waits between retries of kopf's requests, without end: its own give up after a minute and end the process."""

    def __iter__(self) -> Iterator[float]:
        """Yield 0.5, 1, 2, then about 3 for ever; with jitter, so that watches do not return as one."""
        for wait_s in (0.5, 1.0, 2.0):
            yield wait_s * random.uniform(0.8, 1.2)  # noqa: S311  no secret
        while True:
            yield random.uniform(2.5, 3.5)  # noqa: S311  no secret


class NullDiffBaseStorage(kopf.DiffBaseStorage):
    """Stores no last-handled state: handlers of raw events ask for none.

    By default kopf copies each object four times to find its changes, which takes 15 ms an import.
    """

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:  # noqa: ARG002  kopf's own signature
        """Return an essence that never differs."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Return nothing: nothing is stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """Return kopf's settings: watches with our selectors in pages, nothing written, nothing scanned, no peering."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.persistence.diffbase_storage = NullDiffBaseStorage()
    made.watching.chunk_size = PAGE
    made.watching.server_timeout = 600
    made.watching.connect_timeout = 10
    for kind in (_JOBS, _PODS):
        made.watching.label_selectors[cast("Any", kind)] = selector(settings.instance)
    made.networking.request_timeout = 30
    made.networking.connect_timeout = 10
    made.networking.error_backoffs = cast("Any", Backoffs())
    # A worker lingers so long after each object's last event.
    made.queueing.idle_timeout = 0.5
    made.queueing.exit_timeout = 10
    return made


def registry(  # noqa: PLR0913  kopf's handlers, and what each calls
    *,
    world: World,
    queue: WorkQueue,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    complaint: Callable[[], str | None],
    on_request: OnRequest,
) -> kopf.OperatorRegistry:
    """Return the handlers: `start` and `stop` frame the work, `complaint` says what is wrong with it, if anything."""
    made = kopf.OperatorRegistry()

    @kopf.on.startup(registry=made)
    async def started(**_: object) -> None:
        await start()

    @kopf.on.cleanup(registry=made)
    async def stopping(**_: object) -> None:
        await stop()

    @kopf.on.login(registry=made)
    async def login(**_: object) -> kopf.AiohttpSession:
        return _session(await connection(), on_request)

    @kopf.on.probe(registry=made, id="operator")
    async def probe(**_: object) -> str:
        if (wrong := complaint()) is not None:
            # Anything else is retried inside the probe, and the request hangs.
            raise kopf.PermanentError(wrong)
        return "ok"

    _watch(made, queue, _IMPORTS, see=world.imports.see, forget=world.imports.forget, key=_uid)
    _watch(made, queue, _JOBS, see=world.jobs.see, forget=world.jobs.forget, key=owner_of)
    _watch(made, queue, _PODS, see=world.pods.see, forget=world.forget_pod, key=owner_of)
    return made


def _watch(  # noqa: PLR0913  one line for each kind above
    made: kopf.OperatorRegistry,
    queue: WorkQueue,
    kind: tuple[str, str, str],
    *,
    see: Callable[[Object], bool],
    forget: Callable[[Object], bool],
    key: Callable[[Object], str],
) -> None:
    """Watch a kind: note each event's object, and queue the import's key if it was news."""

    @kopf.on.event(*kind, registry=made, id=f"{kind[2]}-seen")
    async def seen(event: kopf.RawEvent, **_: object) -> None:
        item = cast("Object", event["object"])
        if (forget if event["type"] == "DELETED" else see)(item):
            queue.add(key(item))


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def _session(info: kopf.ConnectionInfo, on_request: OnRequest) -> kopf.AiohttpSession:
    """Return a session whose requests are counted: kopf itself tells of no watch that broke."""
    seen = aiohttp.TraceConfig()

    async def ended(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        on_request(method=end.method, path=end.url.path, code=end.response.status, watch="watch" in end.url.query)

    async def failed(_: object, __: object, end: aiohttp.TraceRequestExceptionParams) -> None:
        on_request(method=end.method, path=end.url.path, code=0, watch="watch" in end.url.query)

    seen.on_request_end.append(ended)
    seen.on_request_exception.append(failed)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        trace_configs=[seen],
    )
    return kopf.AiohttpSession(server=info.server, aiohttp_session=session)


async def connection() -> kopf.ConnectionInfo:
    """Return the way to the API for kopf, the same as our own requests take. Asked again when a token has expired."""
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
