"""API server, with the permissions of this pod's service account."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mediaimport_api import names
from mediaimport_runtime.kubernetes import client as kubernetes
from mediaimport_runtime.kubernetes.errors import (
    AlreadyExistsError,
    KubernetesError,
    NotFoundError,
    UnavailableError,
)

from mediaimport_checks.checklist import CheckError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

Object = dict[str, Any]

_TRIES = 4
_PAUSE_S = 1.0
_TIMEOUT_S = 10.0


class Client(Protocol):
    """Requests of the runtime's client that the checks need."""

    async def get(self, path: str) -> Object:
        """Return an object."""

    async def create(self, path: str, body: Object) -> Object:
        """Create an object; AlreadyExistsError."""

    async def delete(self, path: str) -> Object:
        """Delete an object; NotFoundError."""


@dataclass(frozen=True)
class Cluster:
    """Calls of the checks. `run`: runs a coroutine of the client to its end; `pause_s`: between two tries."""

    client: Client
    run: Callable[[Coroutine[Any, Any, Object]], Object]
    pause_s: float = _PAUSE_S

    def deployment(self, namespace: str, name: str) -> Object:
        """Return a Deployment; CheckError."""
        return self._call(lambda: self.client.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"))

    def create_import(self, namespace: str, name: str, spec: Object) -> None:
        """Create a MediaImport; CheckError."""
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "labels": {names.MANAGED_BY: "mediaimport-checks"}},
            "spec": spec,
        }
        # Its name is new: if it exists, the answer to an earlier try was lost.
        self._call(lambda: self.client.create(_imports(namespace), manifest), success=AlreadyExistsError)

    def import_status(self, namespace: str, name: str) -> Object:
        """Return the status of a MediaImport, {} before there is one; CheckError."""
        status: Object = self._call(lambda: self.client.get(f"{_imports(namespace)}/{name}")).get("status", {})
        return status

    def delete_import(self, namespace: str, name: str) -> None:
        """Delete a MediaImport, which may be gone; CheckError."""
        self._call(lambda: self.client.delete(f"{_imports(namespace)}/{name}"), success=NotFoundError)

    def _call(
        self, request: Callable[[], Coroutine[Any, Any, Object]], *, success: type[KubernetesError] | None = None
    ) -> Object:
        for tries_left in reversed(range(_TRIES)):
            try:
                return self.run(request())
            except UnavailableError as error:
                if not tries_left:
                    raise _unavailable(error) from error
                time.sleep(self.pause_s)
            except KubernetesError as error:
                if success is not None and isinstance(error, success):
                    return {}
                raise _refused(error) from error
        raise AssertionError("the last try answers or raises")


@contextmanager
def connect() -> Iterator[Cluster]:
    """Yield the cluster that this pod is in, or that KUBECONFIG names; BadSettingError."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        client = kubernetes.connect("mediaimport-checks", connections=1, timeout_s=_TIMEOUT_S)
        try:
            yield Cluster(runner.run(stack.enter_async_context(client)), runner.run)
        finally:
            runner.run(stack.aclose())


def _imports(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"


def _unavailable(error: UnavailableError) -> CheckError:
    if error.status:
        return _refused(error)
    reason = type(error.__cause__).__name__ if error.__cause__ else error.message
    return CheckError(
        f"the API server does not answer ({reason})", "see that the pod may reach it: kubectl get networkpolicies"
    )


def _refused(error: KubernetesError) -> CheckError:
    return CheckError(
        f"the API server answered {error.status}: {error.message}",
        "run helm upgrade, which brings roles and the resource definition",
    )
