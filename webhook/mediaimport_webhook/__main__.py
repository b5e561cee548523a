"""Runs the shim: `python -m mediaimport_webhook`."""

from __future__ import annotations

import asyncio
import os
import sys

import uvicorn
from mediaimport_api.environment import BadSettingError, Environment

from mediaimport_webhook import logs
from mediaimport_webhook.app import Outside, build
from mediaimport_webhook.kube import KubernetesCluster, connect
from mediaimport_webhook.providers.replicate import client
from mediaimport_webhook.settings import Settings
from mediaimport_webhook.store import Presigner, Sidecars

_DRAIN_S = 25


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
        app = build(settings, Outside(cluster, signer, Sidecars(settings.store), http))
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        await uvicorn.Server(config).serve()


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
