"""The Kubernetes API as this operator uses it: raw objects in and out, errors named by what to do next."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from mediaimport_api import names

from mediaimport_operator.text import public

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_operator.wire import Object

PAGE = 500
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_FOLLOW_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)
_MAX_MESSAGE = 512
_MERGE_PATCH = "application/merge-patch+json"


class ClusterError(Exception):
    """The API did not do what it was asked for. The text is the API's own, bounded and without secrets."""


class AbsentError(ClusterError):
    """There is no such object (any more)."""


class ConflictError(ClusterError):
    """The object is not as we thought: it exists, or it has changed."""


class RefusedError(ClusterError):
    """The API understands and will not: policy, quota, permission, schema. Someone must change something."""


class UnavailableError(ClusterError):
    """The API cannot now; the same request may succeed later."""


_BY_STATUS: dict[int, type[ClusterError]] = {
    404: AbsentError,
    409: ConflictError,
    410: ConflictError,
    400: RefusedError,
    401: UnavailableError,
    403: RefusedError,
    413: RefusedError,
    422: RefusedError,
}


async def configuration() -> Configuration:
    """Return how to reach the API: KUBECONFIG if that is set, else the pod's service account, else ~/.kube/config."""
    config = Configuration()
    if not os.environ.get("KUBECONFIG"):
        try:
            load_incluster_config(client_configuration=config)  # type: ignore[no-untyped-call]
        except ConfigException:
            pass
        else:
            return config
    await load_kube_config(client_configuration=config)  # type: ignore[no-untyped-call]
    return config


class Cluster:
    """The requests that are made, each with a timeout."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @staticmethod
    @asynccontextmanager
    async def connect(*, connections: int) -> AsyncIterator[Cluster]:
        """Open a client that uses at most so many connections."""
        config = await configuration()
        config.connection_pool_maxsize = connections
        async with ApiClient(config) as client:
            yield Cluster(client)

    # --- lists, in pages ---

    async def imports(self, namespace: str) -> tuple[list[Object], str]:
        """Return all MediaImports of a namespace and the list's resourceVersion."""
        return await self._list(_imports(namespace))

    async def jobs(self, namespace: str, selector: str) -> tuple[list[Object], str]:
        """Return the Jobs with those labels and the list's resourceVersion."""
        return await self._list(_jobs(namespace), selector)

    async def pods(self, namespace: str, selector: str) -> tuple[list[Object], str]:
        """Return the pods with those labels and the list's resourceVersion."""
        return await self._list(f"/api/v1/namespaces/{namespace}/pods", selector)

    # --- imports ---

    async def get_import(self, namespace: str, name: str) -> Object:
        """Return one MediaImport."""
        return await self._request("GET", f"{_imports(namespace)}/{name}")

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to the status and return the MediaImport."""
        path = f"{_imports(namespace)}/{name}/status"
        return await self._request("PATCH", path, body=patch, content_type=_MERGE_PATCH)

    async def delete_import(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete a MediaImport as it was seen; ConflictError if it has changed since."""
        preconditions = {"uid": uid, "resourceVersion": version}
        await self._delete(f"{_imports(namespace)}/{name}", preconditions)

    # --- Jobs ---

    async def get_job(self, namespace: str, name: str) -> Object:
        """Return one Job."""
        return await self._request("GET", f"{_jobs(namespace)}/{name}")

    async def create_job(self, namespace: str, job: Object) -> Object:
        """Create a Job and return it."""
        return await self._request("POST", _jobs(namespace), body=job)

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete that very Job; its pods go with it."""
        await self._delete(f"{_jobs(namespace)}/{name}", {"uid": uid})

    # --- logs, Events, Leases ---

    async def log_tail(self, namespace: str, pod: str, *, container: str, lines: int, limit_bytes: int) -> bytes:
        """Return the last lines of a container's log."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(limit_bytes)}
        return await self._bytes("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query)

    async def follow_log(self, namespace: str, pod: str, *, container: str) -> AsyncIterator[bytes]:
        """Yield a container's log as it comes, in pieces of any length; its end does not mean the container's."""
        path, query = f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {"container": container, "follow": "true"}
        response = await self._send("GET", path, query=query, timeout=_FOLLOW_TIMEOUT)
        try:
            await _check(response)
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"the log of {pod} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    async def create_event(self, namespace: str, event: Object) -> None:
        """Create a Kubernetes Event."""
        await self._request("POST", f"/api/v1/namespaces/{namespace}/events", body=event)

    async def get_lease(self, namespace: str, name: str) -> Object:
        """Return a Lease."""
        return await self._request("GET", f"{_leases(namespace)}/{name}")

    async def put_lease(self, namespace: str, lease: Object) -> Object:
        """Create a Lease that has no resourceVersion, replace one that has."""
        meta = lease["metadata"]
        if "resourceVersion" not in meta:
            return await self._request("POST", _leases(namespace), body=lease)
        return await self._request("PUT", f"{_leases(namespace)}/{meta['name']}", body=lease)

    # --- the wire ---

    async def _list(self, path: str, selector: str | None = None) -> tuple[list[Object], str]:
        items: list[Object] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self._request("GET", path, query=query)
            items.extend(page["items"])
            if not (onward := page["metadata"].get("continue")):
                return items, page["metadata"]["resourceVersion"]
            query["continue"] = onward

    async def _delete(self, path: str, preconditions: dict[str, str]) -> None:
        # Without a policy the API server orphans a Job's pods.
        body = {"propagationPolicy": "Background", "preconditions": preconditions}
        await self._request("DELETE", path, body=body)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = await self._bytes(method, path, body=body, query=query, content_type=content_type)
        return cast("Object", json.loads(data))

    async def _bytes(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        try:
            response = await self._send(method, path, body=body, query=query, content_type=content_type)
            async with response:
                await _check(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {type(error).__name__}") from error

    async def _send(  # noqa: PLR0913  HTTP has as many parts
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        timeout: aiohttp.ClientTimeout = _TIMEOUT,  # noqa: ASYNC109  aiohttp's own, for each of its parts
    ) -> aiohttp.ClientResponse:
        serialized = await self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer: Any = await self._client.call_api(*serialized, _request_timeout=timeout)
        return cast("aiohttp.ClientResponse", answer.response)


def _imports(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what the API's status code means for us."""
    if response.ok:
        return
    text = (await response.content.read(64 * 1024)).decode(errors="replace")
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text
    error = _BY_STATUS.get(response.status, UnavailableError)
    raise error(public(f"{response.status}: {message}", _MAX_MESSAGE))
