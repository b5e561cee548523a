"""The port to Kubernetes, on kubernetes.aio's plain calls: JSON in, JSON out, a timeout on each."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode

import aiohttp
from mediaimport_api import names
from mediaimport_runtime.environment import BadSettingError

from mediaimport_webhook.cluster import (
    Change,
    ClusterUnavailableError,
    ConflictError,
    HistoryGoneError,
    ManifestRefusedError,
    NameTakenError,
    Page,
    Resource,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import ModuleType

    from kubernetes.aio.client import ApiClient, Configuration

_CALL = aiohttp.ClientTimeout(total=10, sock_connect=3)
_LIST = aiohttp.ClientTimeout(total=60, sock_connect=3)
_WATCH_S = 300
_WATCH = aiohttp.ClientTimeout(total=_WATCH_S + 30, sock_connect=3, sock_read=90)
"""The server sends a bookmark about once a minute: 90 s without a byte is a dead connection."""

_FIELD_MANAGER = "mediaimport-webhook"
_RECORDS_AT_ONCE = 200


async def connect() -> ApiClient:
    """Return a client for the cluster that this pod is in, or the one that KUBECONFIG names; BadSettingError."""
    client, config = _import_aio("client"), _import_aio("config")
    configuration = client.Configuration()
    try:
        await _load(configuration, config)
    except config.ConfigException as error:
        raise BadSettingError(f"KUBECONFIG: {error}") from None
    configuration.connection_pool_maxsize = 64
    connected: ApiClient = client.ApiClient(configuration)
    return connected


def _import_aio(part: str) -> ModuleType:
    """Import a part of kubernetes.aio without what `kubernetes` itself imports: the blocking client, 9 MB of memory."""
    whole = find_spec("kubernetes")
    if whole is not None:
        sys.modules.setdefault("kubernetes", module_from_spec(whole))
    return import_module(f"kubernetes.aio.{part}")


async def _load(configuration: Configuration, config: ModuleType) -> None:
    if os.environ.get("KUBECONFIG") is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)
    else:
        await config.load_kube_config(client_configuration=configuration)


class KubernetesCluster:
    """A namespace of a real cluster."""

    def __init__(self, api: ApiClient, *, namespace: str, pod_name: str, deployment_name: str | None) -> None:
        self._api = api
        self._namespace = namespace
        self._pod_name = pod_name
        self._deployment_name = deployment_name
        self._imports = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
        self._records = f"/api/v1/namespaces/{namespace}/configmaps"
        self._deployment: Resource | None = None

    async def create_import(self, manifest: Resource) -> Resource:
        """Return the object as created; NameTakenError, ManifestRefusedError."""
        return await self._call("POST", f"{self._imports}?fieldManager={_FIELD_MANAGER}", manifest)

    async def get_import(self, name: str) -> Resource | None:
        """Return the object, None if there is none."""
        return await self._find("GET", _item(self._imports, name))

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into the object and return it; None if there is none; ManifestRefusedError, ConflictError."""
        return await self._find("PATCH", f"{_item(self._imports, name)}?fieldManager={_FIELD_MANAGER}", patch)

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        """Delete the object of that version; return it while a finalizer holds it, else None; ConflictError."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        answer = await self._find("DELETE", _item(self._imports, name), options)
        return answer if answer is not None and answer.get("kind") == names.KIND else None

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        """Return one page of all imports, or of those with these labels; HistoryGoneError for a stale `after`."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        query = {"limit": limit, "continue": after, "labelSelector": selector}
        answer = await self._call("GET", _url(self._imports, query), limits=_LIST)
        about = answer["metadata"]
        return Page(answer["items"], int(about["resourceVersion"]), about.get("continue", ""))

    async def watch_imports(self, version: int) -> AsyncIterator[Change]:
        """Yield what changes after that version, until the server ends the watch; HistoryGoneError."""
        query = {"watch": 1, "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": _WATCH_S}
        response = await self._send("GET", _url(self._imports, query), None, _WATCH)
        try:
            while line := await response.content.readline():
                yield _change(json.loads(line))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ClusterUnavailableError(f"the watch broke: {type(error).__name__}") from error
        finally:
            response.close()

    async def create_record(self, manifest: Resource) -> None:
        """Create a ConfigMap; NameTakenError."""
        await self._call("POST", self._records, manifest)

    async def get_record(self, name: str) -> Resource | None:
        """Return a ConfigMap, None if there is none."""
        return await self._find("GET", _item(self._records, name))

    async def list_record_names(self, selector: str) -> Sequence[str]:
        """Return names of ConfigMaps under a label selector, some hundred at most."""
        query = {"limit": _RECORDS_AT_ONCE, "labelSelector": selector}
        answer = await self._call("GET", _url(self._records, query), limits=_LIST)
        return [each["metadata"]["name"] for each in answer["items"]]

    async def delete_record(self, name: str) -> None:
        """Delete a ConfigMap; it may be gone already."""
        await self._find("DELETE", _item(self._records, name))

    async def tell(self, *, reason: str, message: str) -> None:
        """Post a Warning Event on the shim's own Deployment, if that is known."""
        deployment = await self._own_deployment()
        if deployment is not None:
            event = _event(deployment, reason=reason, message=message, pod_name=self._pod_name)
            await self._call("POST", f"/api/v1/namespaces/{self._namespace}/events", event)

    async def _own_deployment(self) -> Resource | None:
        if self._deployment is None and self._deployment_name is not None:
            collection = f"/apis/apps/v1/namespaces/{self._namespace}/deployments"
            self._deployment = await self._find("GET", _item(collection, self._deployment_name))
        return self._deployment

    async def _find(self, method: str, url: str, body: Resource | None = None) -> Resource | None:
        try:
            return await self._call(method, url, body)
        except _AbsentError:
            return None

    async def _call(
        self, method: str, url: str, body: Resource | None = None, limits: aiohttp.ClientTimeout = _CALL
    ) -> Resource:
        response = await self._send(method, url, body, limits)
        try:
            answer: Resource = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ClusterUnavailableError(f"the answer broke off: {type(error).__name__}") from error
        return answer

    async def _send(
        self, method: str, url: str, body: Resource | None, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            request = await self._api.param_serialize(
                method, url, header_params={"Content-Type": kind}, body=body, auth_settings=["BearerToken"]
            )
            answer = await self._api.call_api(*request, _request_timeout=limits)
            response: aiohttp.ClientResponse = answer.response
            if not response.ok:
                _refuse(response, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterUnavailableError(f"no answer: {type(error).__name__}") from error
        return response


class _AbsentError(ClusterUnavailableError):
    """404: for a named object that is an answer; for a collection the CRD or the namespace is missing."""


def _refuse(response: aiohttp.ClientResponse, body: bytes) -> NoReturn:
    """Translate an error status once, for all callers."""
    message = _message(body)
    match response.status:
        case 404:
            raise _AbsentError(f"404: {message}")
        case 409 if response.method == "POST":
            raise NameTakenError(message)
        case 409:
            raise ConflictError(message)
        case 410:
            raise HistoryGoneError(message)
        case 400 | 413 | 422:
            raise ManifestRefusedError(message)
    wait = response.headers.get("Retry-After", "")
    raise ClusterUnavailableError(f"{response.status}: {message}", int(wait) if wait.isdecimal() else 5)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])[:1024]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip() or "no reason given"


def _change(event: Resource) -> Change:
    if event["type"] != "ERROR":
        return Change(event["type"], event["object"])
    status = event["object"]
    if status.get("code") == 410:  # noqa: PLR2004 - an HTTP status
        raise HistoryGoneError
    raise ClusterUnavailableError(f"the watch ended: {status.get('reason')}")


def _item(collection: str, name: str) -> str:
    return f"{collection}/{quote(name, safe='')}"


def _url(path: str, query: Mapping[str, object]) -> str:
    return f"{path}?{urlencode({key: value for key, value in query.items() if value != ''})}"


def _event(deployment: Resource, *, reason: str, message: str, pod_name: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    about = deployment["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{about['name']}.", "namespace": about["namespace"]},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": about["name"],
            "namespace": about["namespace"],
            "uid": about["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message[:1024],
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "action": "Webhook",
        "reportingComponent": "mediaimport-webhook",
        "reportingInstance": pod_name,
    }
