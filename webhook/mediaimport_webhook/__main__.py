"""Runs the shim: `python -m mediaimport_webhook`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import uvicorn
from mediaimport_api.environment import BadSettingError, Environment

from mediaimport_webhook import logs
from mediaimport_webhook.app import Outside, build
from mediaimport_webhook.kube import KubernetesCluster, connect
from mediaimport_webhook.providers.replicate import client
from mediaimport_webhook.settings import Settings
from mediaimport_webhook.store import Presigner, Sidecars

if TYPE_CHECKING:
    from types import FrameType

_DRAIN_S = 25


class Server(uvicorn.Server):
    """Tells what would go on for long that it is time to end."""

    def __init__(self, config: uvicorn.Config, *, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal in."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._stopping.set)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that are under way are answered first."""
    async with await connect() as api, client() as http:
        cluster = KubernetesCluster(
            api,
            namespace=settings.namespace,
            pod_name=settings.pod_name,
            deployment_name=settings.deployment_name,
        )
        signer = Presigner(settings.store, lifetime_s=settings.presign_seconds)
        outside = Outside(cluster, signer, Sidecars(settings.store), http)
        config = uvicorn.Config(
            build(settings, outside),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        await Server(config, stopping=outside.stopping).serve()


def main() -> int:
    """Return the exit code."""
    try:
        settings = Settings.read(Environment(os.environ))
        logs.configure(settings.log_level)
        asyncio.run(serve(settings))
    except BadSettingError as error:
        print(f"mediaimport_webhook: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
