"""Load on the API server: thousands of MediaImports, created as fast as it accepts them."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import MERGE_PATCH, Call, Client, connect

from dev.cluster.kubectl import KubeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dev.cluster.kubectl import Kube

CONNECTIONS = 32
_WRITERS = 16
_USERS = 1000
_HOSTS = 50


def mediaimport(number: int) -> dict[str, Any]:
    """Return one of the imports: of a thousand users, from fifty hosts, some with an expiry."""
    host = f"media-{number % _HOSTS}.example"
    source: dict[str, Any] = {"url": f"https://{host}/{number}/video.mp4?signature={number:064}"}
    if number % 2:
        source["expiresAt"] = "2099-01-01T00:00:00Z"
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": film(number)},
        "spec": {"source": source, "userId": f"user-{number % _USERS}", "tags": ["ai-generated"]},
    }


def film(number: int) -> str:
    """Return the name of that import."""
    return f"film-{number:06}"


def path(namespace: str, name: str = "") -> str:
    """Return the path of all MediaImports or of one."""
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}" + (f"/{name}" if name else "")


async def create(api: Client, namespace: str, numbers: Iterable[int]) -> None:
    """Create the imports."""
    await send(api, (Call("POST", path(namespace), body=mediaimport(each)) for each in numbers))


async def patch(api: Client, namespace: str, numbers: Iterable[int], change: dict[str, Any], *, part: str = "") -> None:
    """Send a merge patch to each; `part`: "/status" for the status."""

    def call(number: int) -> Call:
        return Call("PATCH", path(namespace, film(number)) + part, body=change, content_type=MERGE_PATCH)

    await send(api, map(call, numbers))


async def send(api: Client, calls: Iterable[Call]) -> None:
    """Send requests, several at a time, in about that order."""
    waiting = iter(calls)

    async def write() -> None:
        for call in waiting:
            await api.request(call)

    await asyncio.gather(*(write() for _ in range(_WRITERS)))


def fresh_namespace(kube: Kube, name: str) -> None:
    """Delete a namespace and create it again."""
    remove_namespace(kube, name)
    kube.kubectl("create", "namespace", name)
    kube.kubectl("wait", "serviceaccount/default", "--for=create", "--timeout=60s", namespace=name)


def remove_namespace(kube: Kube, name: str) -> None:
    """Delete a namespace and wait: a deletion in progress would slow down the next measurement."""
    try:
        kube.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait", "--timeout=900s")
    except KubeError as error:
        print(f"the deletion of {name} is still in progress: {error}", file=sys.stderr, flush=True)


def run(work: Callable[[Client], Any]) -> Any:  # noqa: ANN401 - whatever the work returns
    """Run work on a connection of its own."""

    async def connected() -> Any:  # noqa: ANN401 - as above
        async with connect("mediaimport-bench", connections=CONNECTIONS) as api:
            return await work(api)

    return asyncio.run(connected())
