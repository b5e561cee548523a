"""Requests of the operator to the Kubernetes API."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from mediaimport_api import json_depth, names
from mediaimport_runtime.kubernetes import client
from mediaimport_runtime.kubernetes.client import Call, Client, OnLeftOut, OnRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from mediaimport_runtime.kubernetes.answers import Change
    from mediaimport_runtime.kubernetes.clock import Clock
    from mediaimport_runtime.kubernetes.objects import Object

COMPONENT = "mediaimport-operator"
"""User-Agent, field manager and source of Events."""


class Cluster:
    """The operator's API client, one method for each request."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @staticmethod
    @asynccontextmanager
    async def connect(
        *,
        connections: int,
        on_request: OnRequest,
        on_left_out: OnLeftOut,
        clock: Clock,
        timeout_s: float = client.TIMEOUT_S,
    ) -> AsyncIterator[Cluster]:
        """Open a client with at most so many connections of its own; observers see each request and each odd item."""
        async with client.connect(
            COMPONENT,
            connections=connections,
            on_request=on_request,
            on_left_out=on_left_out,
            clock=clock,
            timeout_s=timeout_s,
        ) as opened:
            yield Cluster(opened)

    # --- lists, in pages ---

    async def imports(self, namespace: str, take: Callable[[Object], object]) -> str:
        """Give all MediaImports of a namespace, cut, to `take`; return the list's resourceVersion."""
        return await self._client.list_each(_imports(namespace), take=lambda item: take(json_depth.cut(item)))

    async def jobs(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        """Give the Jobs with those labels to `take`; return the list's resourceVersion."""
        return await self._client.list_each(_jobs(namespace), selector, take=take)

    async def pods(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        """Give the pods with those labels to `take`; return the list's resourceVersion."""
        return await self._client.list_each(f"/api/v1/namespaces/{namespace}/pods", selector, take=take)

    # --- imports: cut at once, since sixteen workers keep what they get until their reconcile ends ---

    async def get_import(self, namespace: str, name: str) -> Object:
        """Return one MediaImport."""
        return json_depth.cut(await self._client.get(f"{_imports(namespace)}/{name}"))

    async def patch_import(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to the MediaImport itself and return it."""
        return json_depth.cut(await self._client.patch(f"{_imports(namespace)}/{name}", patch))

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to the status and return the MediaImport."""
        return json_depth.cut(await self._client.patch(f"{_imports(namespace)}/{name}/status", patch))

    async def delete_import(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete a MediaImport at that version; ConflictError if it has changed since."""
        preconditions = {"uid": uid, "resourceVersion": version}
        await self._client.delete(f"{_imports(namespace)}/{name}", preconditions)

    # --- Jobs ---

    async def get_job(self, namespace: str, name: str) -> Object:
        """Return one Job."""
        return await self._client.get(f"{_jobs(namespace)}/{name}")

    async def create_job(self, namespace: str, job: Object) -> Object:
        """Create a Job and return it."""
        return await self._client.create(_jobs(namespace), job)

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete the Job with that uid, and its pods with it."""
        await self._client.delete(f"{_jobs(namespace)}/{name}", {"uid": uid})

    async def refused_pods(self, namespace: str, *, job_uid: str) -> list[Object]:
        """Return the Events of pods that the Job controller could not create for that Job."""
        selector = f"involvedObject.uid={job_uid},reason=FailedCreate"
        return await self._client.items(_events(namespace), {"fieldSelector": selector})

    # --- Secrets: never read ---

    async def create_secret(self, namespace: str, secret: Object) -> None:
        """Create a Secret."""
        await self._client.create(_secrets(namespace), secret)

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret."""
        await self._client.delete(f"{_secrets(namespace)}/{name}")

    # --- logs, Events, Leases ---

    async def log_tail(self, namespace: str, pod: str, *, container: str, lines: int, limit_bytes: int) -> bytes:
        """Return the last lines of a container's log."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(limit_bytes)}
        return await self._client.read(Call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query))

    async def follow_log(self, namespace: str, pod: str, *, container: str) -> AsyncIterator[bytes]:
        """Yield a container's log as it grows, in pieces of any length; the stream can end before the container."""
        path, query = f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {"container": container, "follow": "true"}
        async with aclosing(self._client.stream(path, query)) as pieces:
            async for piece in pieces:
                yield piece

    async def create_event(self, namespace: str, event: Object) -> None:
        """Create a Kubernetes Event."""
        await self._client.create(_events(namespace), event)

    async def get_lease(self, namespace: str, name: str) -> Object:
        """Return a Lease."""
        return await self._client.get(f"{_leases(namespace)}/{name}")

    async def put_lease(self, namespace: str, lease: Object) -> Object:
        """Create a Lease that has no resourceVersion, replace one that has."""
        meta = lease["metadata"]
        if "resourceVersion" not in meta:
            return await self._client.create(_leases(namespace), lease)
        return await self._client.replace(f"{_leases(namespace)}/{meta['name']}", lease)

    # --- records of the webhook: Leases ---

    async def records(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        """Give the Leases with those labels to `take`; return the list's resourceVersion."""
        return await self._client.list_each(_leases(namespace), selector, take=take)

    async def watch_records(self, namespace: str, version: str, selector: str) -> AsyncGenerator[Change, None]:
        """Yield what changes of those Leases after that resourceVersion, until the server ends it; ExpiredError."""
        async with aclosing(self._client.watch(_leases(namespace), version, selector=selector)) as changes:
            async for change in changes:
                yield change

    async def patch_record(self, namespace: str, name: str, patch: Object) -> Object:
        """Apply a merge patch to a Lease and return it."""
        return await self._client.patch(f"{_leases(namespace)}/{name}", patch)


def _imports(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _events(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/events"


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
