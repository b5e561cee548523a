"""Command of the webhook: `python -m mediaimport_webhook [serve | recover | create-secrets]`.

The catalogue's database has three more: `migrate`, `rebuild` and `verify-catalogue`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uvicorn
from mediaimport_runtime import logs, long_lived
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.kubernetes.client import allow_deep_json, connect
from mediaimport_runtime.kubernetes.errors import KubernetesError
from mediaimport_runtime.metrics_server import serving_metrics

from mediaimport_webhook.access.first_secrets import FirstSecrets, create_absent
from mediaimport_webhook.app import Dependencies, build, open_database
from mediaimport_webhook.catalogue import Catalogue, DatabaseUnavailableError
from mediaimport_webhook.cluster import COMPONENT, KubernetesCluster
from mediaimport_webhook.generation.intake import Intake
from mediaimport_webhook.generation.owner import OwnerTokens
from mediaimport_webhook.generation.providers.replicate import Replicate, http_client
from mediaimport_webhook.generation.records import Records
from mediaimport_webhook.generation.recovery import Recovery
from mediaimport_webhook.http import problems
from mediaimport_webhook.http.protocol import BoundedProtocol
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.settings import CatalogueUrl, Settings
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.incoming import Incoming
from mediaimport_webhook.store.presign import Presigner
from mediaimport_webhook.store.sidecars import Sidecars, open_fetch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine
    from types import FrameType

    from mediaimport_runtime.kubernetes.client import Client

log = logging.getLogger("mediaimport_webhook")
_LINGER_S = 4.0
"""Time in which idle connections may bring one more request, whose answer closes them, before all are closed."""
_DRAIN_S = 25
_LINGER_CHECK_S = 0.05
_CONNECTIONS = 64
_API_TIMEOUT_S = 10


class Server(uvicorn.Server):
    """Sets an event when the server begins to drain."""

    def __init__(self, config: uvicorn.Config, *, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGINT."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on until proxies have left, then finish what runs."""
        deadline = self._loop.time() + _LINGER_S
        while self.server_state.connections and not self.force_exit and self._loop.time() < deadline:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_LINGER_CHECK_S)
        await super().shutdown(sockets)


def _cluster(api: Client, settings: Settings) -> KubernetesCluster:
    return KubernetesCluster(
        api, namespace=settings.namespace, pod_name=settings.pod_name, deployment_name=settings.deployment_name
    )


async def recover_missed(settings: Settings) -> int:
    """Import the outputs of predictions whose callback never came; return the exit code."""
    async with (
        connect(COMPONENT, connections=_CONNECTIONS, timeout_s=_API_TIMEOUT_S) as api,
        http_client() as http,
        open_fetch(settings.store) as fetch,
    ):
        cluster, tokens = _cluster(api, settings), OwnerTokens(settings.owner_token_keys)
        records = Records(cluster)
        intake = Intake(
            cluster=cluster,
            imports=Imports(cluster, Catalogue(), Sidecars(settings.store, fetch)),
            incoming=Incoming(settings.store),
            tokens=tokens,
            records=records,
            default_user_id=settings.default_user_id,
            input_provenance=settings.input_provenance,
            tells_failures=settings.tells_failures,
        )
        replicate = Replicate(settings, http)
        recovery = Recovery(replicate, intake, cluster, tokens, import_all=settings.recovery_import_all)
        try:
            recovered = await recovery.run(datetime.now(UTC))
        except problems.Problem as problem:
            log.error("the recovery failed", extra={"error": problem.detail})  # noqa: TRY400 - expected: no traceback
            return 1
        except (KubernetesError, StoreUnavailableError) as error:
            log.error("the recovery failed", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
            return 1
        finally:
            await records.delete_expired()
    log.info("the recovery finished", extra={"checked": recovered.checked, "imported": recovered.imported})
    return 0


async def migrate(source: CatalogueUrl) -> int:
    """Bring the schema of the catalogue's database to this release's version; return the exit code."""
    from mediaimport_webhook.catalogue.database import migration, opened  # noqa: PLC0415 - 33 MB that only this needs

    try:
        async with opened(source) as engine:
            await migration.migrate(engine)
    except DatabaseUnavailableError as error:
        log.error("the catalogue's database cannot be migrated", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
        return 1
    log.info("the catalogue's database is of this release's version")
    return 0


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; running requests are finished first."""
    async with (
        connect(COMPONENT, connections=_CONNECTIONS, timeout_s=_API_TIMEOUT_S) as api,
        http_client() as http,
        open_fetch(settings.store) as fetch,
        open_database(settings.catalogue_url) as database,
    ):
        cluster = _cluster(api, settings)
        signer = Presigner(settings.store, lifetime_s=settings.presign_seconds)
        dependencies = Dependencies(cluster, signer, Sidecars(settings.store, fetch), http, database=database)
        config = uvicorn.Config(
            build(settings, dependencies),
            host=settings.host,
            port=settings.port,
            http=BoundedProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        long_lived.freeze()
        with serving_metrics(dependencies.metrics.registry, settings.metrics_port, host=settings.host):
            await Server(config, stopping=dependencies.stopping).serve()
    return 0


async def create_secrets(first: FirstSecrets) -> int:
    """Create the Secrets that an installation starts with and that are absent; return the exit code."""
    async with connect(COMPONENT, connections=1, timeout_s=_API_TIMEOUT_S) as api:
        try:
            await create_absent(api, first)
        except KubernetesError as error:
            log.error("the Secrets cannot be created", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
            return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where there is one, else the standard one."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


_CREATE_SECRETS, _MIGRATE = "create-secrets", "migrate"
_REBUILD, _VERIFY = "rebuild", "verify-catalogue"
_COMMANDS = {"serve": serve, "recover": recover_missed}
_ALIASES = {"sweep": "recover"}
"""Former names."""


def _command(name: str, env: Environment, *, after: str = "") -> Coroutine[Any, Any, int]:
    """Return the command with its settings read; BadSettingError."""
    if name == _CREATE_SECRETS:
        first = FirstSecrets.read(env)
        logs.configure(first.log_level)
        return create_secrets(first)
    if name == _MIGRATE:
        source = CatalogueUrl.of(env)
        if source is None:
            raise BadSettingError("CATALOGUE_URL is not set; set it, or CATALOGUE_URL_FILE, to migrate the database")
        logs.configure(env.text("LOG_LEVEL", "info"))
        return migrate(source)
    if name in {_REBUILD, _VERIFY}:
        from mediaimport_webhook.catalogue.database import commands  # noqa: PLC0415 - 20 MB that only a database needs

        walk = commands.WalkSettings.read(env)
        logs.configure(walk.log_level)
        return commands.verify(walk) if name == _VERIFY else commands.rebuild(walk, after=after)
    settings = Settings.read(env)
    logs.configure(settings.log_level)
    return _COMMANDS[_ALIASES.get(name, name)](settings)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="mediaimport_webhook", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        choices=[*_COMMANDS, *_ALIASES, _CREATE_SECRETS, _MIGRATE, _REBUILD, _VERIFY],
        default="serve",
    )
    parser.add_argument("--after", default="", metavar="PREFIX", help="rebuild: begin behind that asset's prefix")
    given = parser.parse_args()
    try:
        command = _command(given.command, Environment(os.environ), after=given.after)
        allow_deep_json()
        # What is imported stays: each whole collection would look through it, which takes 100 ms.
        long_lived.freeze()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(command)
    except (BadSettingError, DatabaseUnavailableError) as error:
        print(f"mediaimport_webhook: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
