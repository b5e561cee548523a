"""Fake API server with lists and watches of MediaImports, which is all that reads need."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from mediaimport_api import names
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.loopback.processes import START_TIMEOUT_S, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from starlette.requests import Request

Resource = dict[str, Any]


class _Lists:
    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._version = str(len(resources) + 1)

    async def answer(self, request: Request) -> Response:
        if "watch" in request.query_params:
            return StreamingResponse(self._watch(), media_type="application/json")
        start, size = int(request.query_params.get("continue", 0)), int(request.query_params["limit"])
        page = self._resources[start : start + size]
        following = str(start + size) if start + size < len(self._resources) else ""
        return JSONResponse({"metadata": {"resourceVersion": self._version, "continue": following}, "items": page})

    async def _watch(self) -> AsyncIterator[bytes]:
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": self._version}}}
        while True:
            yield json.dumps(bookmark).encode() + b"\n"
            await asyncio.sleep(30)


@contextmanager
def running_apiserver(folder: Path, resources: Sequence[Resource]) -> Iterator[Path]:
    """Serve them, in a thread of this process; give a kubeconfig."""
    path = f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/{names.PLURAL}"
    port = free_port()
    application = Starlette(routes=[Route(path, _Lists(resources).answer)])
    config = uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _await(server)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(port)))
    try:
        yield kubeconfig
    finally:
        server.should_exit = True
        thread.join()


def _await(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError("the stand-in for the API server did not start")
        time.sleep(0.02)


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {}}],
    }
