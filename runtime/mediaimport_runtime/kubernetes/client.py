"""Requests to the Kubernetes API: raw objects in and out, errors named by what to do next."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from mediaimport_runtime.kubernetes.objects import lightened, pack
from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kubernetes.aio.client import ApiClient

    from mediaimport_runtime.kubernetes.clock import Clock
    from mediaimport_runtime.kubernetes.objects import Object

PAGE = 200
"""Objects of a list that are in memory whole, at some fifty kilobytes each."""
MERGE_PATCH = "application/merge-patch+json"
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_MAX_MESSAGE = 512
_PROMPT_S = 1.0
"""An answer that took longer does not tell the time."""


class OnRequest(Protocol):
    """Told of each request to the API; `code` 0: no answer."""

    def __call__(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        """Take note of it."""


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
    # Proxies are for the way out; to look for one costs each request two threads.
    config.client_session_kwargs = {"trust_env": False}
    path = os.environ.get("KUBECONFIG")
    if not path:
        try:
            load_incluster_config(client_configuration=config)  # type: ignore[no-untyped-call]
        except ConfigException:
            pass
        else:
            return config
    await load_kube_config(config_file=path, client_configuration=config)  # type: ignore[no-untyped-call]
    return config


@dataclass(frozen=True)
class Call:
    """One request to the API."""

    method: str
    path: str
    body: Object | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Api:
    """HTTP to the API server."""

    def __init__(self, client: ApiClient, *, on_request: OnRequest, clock: Clock) -> None:
        """Take what is told of each request; `clock` is put right by the answers."""
        self._client = client
        self._on_request = on_request
        self._clock = clock

    async def collect(self, path: str, selector: str | None = None) -> tuple[list[bytes], str]:
        """Return all items of a list, packed page by page, and its resourceVersion."""
        items: list[bytes] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        page = await self.request(Call("GET", path, query=query))
        while onward := page["metadata"].get("continue"):
            # The next page is on its way while this one is packed.
            following = asyncio.create_task(self.request(Call("GET", path, query=query | {"continue": onward})))
            await asyncio.sleep(0)
            items.extend(_packed(page))
            page = await following
        items.extend(_packed(page))
        return items, page["metadata"]["resourceVersion"]

    async def delete(self, path: str, preconditions: dict[str, str]) -> None:
        """Delete what is so and no other; ConflictError if it is not."""
        # Without a policy the API server orphans a Job's pods.
        await self.read(Call("DELETE", path, body={"propagationPolicy": "Background", "preconditions": preconditions}))

    async def request(self, call: Call) -> Object:
        """Return the object that the API answers."""
        return cast("Object", json.loads(await self.read(call)))

    async def read(self, call: Call) -> bytes:
        """Return the answer as it is."""
        try:
            async with await self.send(call) as response:
                await check(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{call.method} {call.path}: {type(error).__name__}") from error

    async def send(
        self,
        call: Call,
        *,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,  # noqa: ASYNC109  aiohttp's own, for each of its parts
    ) -> aiohttp.ClientResponse:
        """Return the answer before its body is read, whatever its status."""
        method, url, headers, _, parts = await self._client.param_serialize(
            method=call.method,
            resource_path=call.path,
            query_params=list(call.query.items()),
            header_params={"Accept": "application/json, */*", "Content-Type": call.content_type},
            auth_settings=["BearerToken"],
        )
        code, begun_s = 0, time.monotonic()
        try:
            # The body is plain already; the client would copy it to make it so.
            answer: Any = await self._client.call_api(method, url, headers, call.body, parts, _request_timeout=timeout)
            code = answer.response.status
        finally:
            self._on_request(method=call.method, path=call.path, code=code)
        if time.monotonic() < begun_s + _PROMPT_S:
            self._clock.heard(answer.response.headers.get("Date"))
        return cast("aiohttp.ClientResponse", answer.response)


def _packed(page: Object) -> Iterator[bytes]:
    return (pack(lightened(item)) for item in page["items"])


async def check(response: aiohttp.ClientResponse) -> None:
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
