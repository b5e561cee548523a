"""The Kubernetes API as this operator uses it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from kubernetes.aio.client import ApiClient
from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import (
    MERGE_PATCH,
    Api,
    Call,
    UnavailableError,
    check,
    configuration,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.kubernetes.client import OnRequest
    from mediaimport_runtime.kubernetes.clock import Clock
    from mediaimport_runtime.kubernetes.objects import Object

_FOLLOW_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)


class Cluster:
    """The requests that are made, each with a timeout."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @staticmethod
    @asynccontextmanager
    async def connect(*, connections: int, on_request: OnRequest, clock: Clock) -> AsyncIterator[Cluster]:
        """Open a client that uses at most so many connections; `on_request` is told of each request."""
        config = await configuration()
        config.connection_pool_maxsize = connections
        async with ApiClient(config) as client:
            yield Cluster(Api(client, on_request=on_request, clock=clock))

    # --- lists, in pages ---

    async def imports(self, namespace: str) -> tuple[list[bytes], str]:
        """Return all MediaImports of a namespace, packed, and the list's resourceVersion."""
        return await self._api.collect(_imports(namespace))

    async def jobs(self, namespace: str, selector: str) -> tuple[list[bytes], str]:
        """Return the Jobs with those labels, packed, and the list's resourceVersion."""
        return await self._api.collect(_jobs(namespace), selector)

    async def pods(self, namespace: str, selector: str) -> tuple[list[bytes], str]:
        """Return the pods with those labels, packed, and the list's resourceVersion."""
        return await self._api.collect(f"/api/v1/namespaces/{namespace}/pods", selector)

    # --- imports ---

    async def get_import(self, namespace: str, name: str) -> Object:
        """Return one MediaImport."""
        return await self._api.request(Call("GET", f"{_imports(namespace)}/{name}"))

    async def patch_import(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to the MediaImport itself and return it."""
        return await self._api.request(
            Call("PATCH", f"{_imports(namespace)}/{name}", body=patch, content_type=MERGE_PATCH)
        )

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to the status and return the MediaImport."""
        path = f"{_imports(namespace)}/{name}/status"
        return await self._api.request(Call("PATCH", path, body=patch, content_type=MERGE_PATCH))

    async def delete_import(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete a MediaImport as it was seen; ConflictError if it has changed since."""
        preconditions = {"uid": uid, "resourceVersion": version}
        await self._api.delete(f"{_imports(namespace)}/{name}", preconditions)

    # --- Jobs ---

    async def get_job(self, namespace: str, name: str) -> Object:
        """Return one Job."""
        return await self._api.request(Call("GET", f"{_jobs(namespace)}/{name}"))

    async def create_job(self, namespace: str, job: Object) -> Object:
        """Create a Job and return it."""
        return await self._api.request(Call("POST", _jobs(namespace), body=job))

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete that very Job; its pods go with it."""
        await self._api.delete(f"{_jobs(namespace)}/{name}", {"uid": uid})

    async def refused_pods(self, namespace: str, *, job_uid: str) -> list[Object]:
        """Return the Events of pods that the Job controller could not create for that Job."""
        selector = f"involvedObject.uid={job_uid},reason=FailedCreate"
        page = await self._api.request(Call("GET", _events(namespace), query={"fieldSelector": selector}))
        return list(page["items"])

    # --- logs, Events, Leases ---

    async def log_tail(self, namespace: str, pod: str, *, container: str, lines: int, limit_bytes: int) -> bytes:
        """Return the last lines of a container's log."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(limit_bytes)}
        return await self._api.read(Call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query))

    async def follow_log(self, namespace: str, pod: str, *, container: str) -> AsyncIterator[bytes]:
        """Yield a container's log as it comes, in pieces of any length; its end does not mean the container's."""
        path, query = f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {"container": container, "follow": "true"}
        response = await self._api.send(Call("GET", path, query=query), timeout=_FOLLOW_TIMEOUT)
        try:
            await check(response)
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"the log of {pod} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    async def create_event(self, namespace: str, event: Object) -> None:
        """Create a Kubernetes Event."""
        await self._api.request(Call("POST", _events(namespace), body=event))

    async def get_lease(self, namespace: str, name: str) -> Object:
        """Return a Lease."""
        return await self._api.request(Call("GET", f"{_leases(namespace)}/{name}"))

    async def put_lease(self, namespace: str, lease: Object) -> Object:
        """Create a Lease that has no resourceVersion, replace one that has."""
        meta = lease["metadata"]
        if "resourceVersion" not in meta:
            return await self._api.request(Call("POST", _leases(namespace), body=lease))
        return await self._api.request(Call("PUT", f"{_leases(namespace)}/{meta['name']}", body=lease))


def _imports(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _events(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"


def _leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
