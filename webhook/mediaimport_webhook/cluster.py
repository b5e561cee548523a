"""The webhook's requests to Kubernetes: a narrow port, and its one implementation."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote

from mediaimport_api import names
from mediaimport_runtime.kubernetes.errors import ForbiddenError, NotFoundError, UnavailableError
from mediaimport_runtime.kubernetes.events import Regarding, Reporter, event_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

    from mediaimport_runtime.kubernetes.answers import Change, Page
    from mediaimport_runtime.kubernetes.client import Client

COMPONENT = "mediaimport-webhook"
"""User-Agent, field manager and source of Events."""
Resource = dict[str, Any]
"""One object as the API server's JSON has it."""
_NAMES_AT_ONCE = 500
T = TypeVar("T")


class Cluster(Protocol):
    """One namespace of a cluster. Every method may raise UnavailableError."""

    async def create_import(self, manifest: Resource) -> Resource:
        """Return the object as created; AlreadyExistsError, InvalidError."""

    async def get_import(self, name: str) -> Resource | None:
        """Return the object, None if there is none."""

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into the object and return it; None if there is none.

        InvalidError; ConflictError if the patch names another version than the object's.
        """

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        """Delete the object of that version; return it while a finalizer holds it, else None; ConflictError."""

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        """Return one page of all imports, or of those with these labels; ExpiredError for a stale `after`."""

    def watch_imports(self, version: str) -> AsyncIterator[Change]:
        """Yield what changes after that version, until the server ends the watch; ExpiredError."""

    async def import_names(self, labels: Mapping[str, str]) -> frozenset[str]:
        """Return the names of all imports with these labels."""

    async def create_lease(self, manifest: Resource) -> Resource:
        """Create a Lease and return it; AlreadyExistsError."""

    async def get_lease(self, name: str) -> Resource | None:
        """Return a Lease, None if there is none."""

    async def patch_lease(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into a Lease and return it, None if there is none; ConflictError for another version."""

    async def delete_lease(self, name: str) -> None:
        """Delete a Lease; it may be gone already."""

    async def lease_names(self, selector: str) -> Sequence[str]:
        """Return the names of Leases under a label selector, some hundred at most."""

    async def list_leases(self, selector: str) -> Sequence[Resource]:
        """Return the Leases under a label selector, some hundred at most."""

    async def post_event(self, *, reason: str, message: str) -> None:
        """Post a Warning Event on the webhook's own Deployment, if that is known."""


class KubernetesCluster:
    """A namespace of a real cluster."""

    def __init__(self, client: Client, *, namespace: str, pod_name: str, deployment_name: str | None) -> None:
        self._client = client
        self._namespace = namespace
        self._pod_name = pod_name
        self._deployment_name = deployment_name
        self._imports = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._deployment: Resource | None = None

    async def create_import(self, manifest: Resource) -> Resource:
        """Return the object as created; AlreadyExistsError, InvalidError."""
        return await _needed(self._client.create(self._imports, manifest))

    async def get_import(self, name: str) -> Resource | None:
        """Return the object, None if there is none."""
        return await _found(self._client.get(_item(self._imports, name)))

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into the object and return it; None if there is none; InvalidError, ConflictError."""
        return await _found(self._client.patch(_item(self._imports, name), patch))

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        """Delete the object of that version; return it while a finalizer holds it, else None; ConflictError."""
        answer = await _found(self._client.delete(_item(self._imports, name), {"resourceVersion": version}))
        return answer if answer is not None and answer.get("kind") == names.KIND else None

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        """Return one page of all imports, or of those with these labels; ExpiredError for a stale `after`."""
        selected = _selector(labels or {})
        return await _needed(self._client.page(self._imports, limit=limit, selector=selected, after=after))

    async def watch_imports(self, version: str) -> AsyncIterator[Change]:
        """Yield what changes after that version, until the server ends the watch; ExpiredError."""
        try:
            async with aclosing(self._client.watch(self._imports, version)) as changes:
                async for change in changes:
                    yield change
        except (ForbiddenError, NotFoundError) as error:
            raise UnavailableError(error.message, status=error.status) from error

    async def import_names(self, labels: Mapping[str, str]) -> frozenset[str]:
        """Return the names of all imports with these labels, from pages of metadata; ExpiredError."""
        found: set[str] = set()
        after, more = "", True
        while more:
            page = await _needed(
                self._client.page(
                    self._imports, limit=_NAMES_AT_ONCE, selector=_selector(labels), after=after, metadata_only=True
                )
            )
            found.update(each["metadata"]["name"] for each in page.items)
            after, more = page.next, bool(page.next)
        return frozenset(found)

    async def create_lease(self, manifest: Resource) -> Resource:
        """Create a Lease and return it; AlreadyExistsError."""
        return await _needed(self._client.create(self._leases, manifest))

    async def get_lease(self, name: str) -> Resource | None:
        """Return a Lease, None if there is none."""
        return await _found(self._client.get(_item(self._leases, name)))

    async def patch_lease(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into a Lease and return it, None if there is none; ConflictError for another version."""
        return await _found(self._client.patch(_item(self._leases, name), patch))

    async def delete_lease(self, name: str) -> None:
        """Delete a Lease; it may be gone already."""
        await _found(self._client.delete(_item(self._leases, name)))

    async def lease_names(self, selector: str) -> Sequence[str]:
        """Return the names of Leases under a label selector, some hundred at most."""
        return [each["metadata"]["name"] for each in await self.list_leases(selector)]

    async def list_leases(self, selector: str) -> Sequence[Resource]:
        """Return the Leases under a label selector, some hundred at most."""
        page = await _needed(self._client.page(self._leases, limit=_NAMES_AT_ONCE, selector=selector))
        return page.items

    async def post_event(self, *, reason: str, message: str) -> None:
        """Post a Warning Event on the webhook's own Deployment, if that is known."""
        deployment = await self._own_deployment()
        if deployment is None:
            return
        about = deployment["metadata"]
        event = event_body(
            Regarding("apps/v1", "Deployment", about["namespace"], about["name"], about["uid"]),
            reporter=Reporter(COMPONENT, self._pod_name),
            warning=True,
            reason=reason,
            message=message,
            now=datetime.now(UTC),
        )
        await _needed(self._client.create(f"/api/v1/namespaces/{self._namespace}/events", event))

    async def _own_deployment(self) -> Resource | None:
        if self._deployment is None and self._deployment_name is not None:
            collection = f"/apis/apps/v1/namespaces/{self._namespace}/deployments"
            self._deployment = await _found(self._client.get(_item(collection, self._deployment_name)))
        return self._deployment


async def _found(request: Awaitable[Resource]) -> Resource | None:
    """Return the object, None where there is none."""
    try:
        return await request
    except NotFoundError:
        return None
    except ForbiddenError as error:
        raise UnavailableError(error.message, status=error.status) from error


async def _needed(request: Awaitable[T]) -> T:
    """Return the answer. A missing collection or permission is the installation's fault: UnavailableError."""
    try:
        return await request
    except (ForbiddenError, NotFoundError) as error:
        raise UnavailableError(error.message, status=error.status) from error


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _item(collection: str, name: str) -> str:
    return f"{collection}/{quote(name, safe='')}"
