"""HTTP server of the kubelet's probes: `/healthz` (liveness) and `/readyz` (readiness)."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_UNAVAILABLE = 503

log = logging.getLogger(__name__)


class Probed(Protocol):
    """The state that the probes report."""

    def unhealthy_reason(self) -> str | None:
        """Return why a restart would help; None while the process is healthy."""

    def not_ready_reason(self) -> str | None:
        """Return why no import is reconciled; None while imports are."""

    @property
    def unavailable_namespaces(self) -> Mapping[str, str]:
        """The watched namespaces that do not answer, with the cause."""


@asynccontextmanager
async def serving_probes(probed: Probed, port: int, *, host: str = "0.0.0.0") -> AsyncIterator[int]:  # noqa: S104 - a pod's own
    """Serve the probes while the block runs; give the port."""
    runner = web.AppRunner(_app(probed), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _app(probed: Probed) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return _answer(probed.unhealthy_reason(), {})

    async def readyz(_: web.Request) -> web.Response:
        return _answer(probed.not_ready_reason(), probed.unavailable_namespaces)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def _answer(reason: str | None, namespaces: Mapping[str, str]) -> web.Response:
    detail = {"unavailableNamespaces": dict(namespaces)} if namespaces else {}
    if reason is None:
        return web.json_response({"status": "ok"} | detail)
    return web.json_response({"status": "unavailable", "reason": reason} | detail, status=_UNAVAILABLE)
