"""Steady load of the soak: callbacks, polls, streams, deletions and what strangers send, each at a rate of its own."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

import aiohttp

from tests.support.replicate.callbacks import callback
from tests.support.replicate.prediction import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

CALLBACK = "/api/v1/replicate/webhook"
ERROR = 0
"""Status of a request without an answer."""
LIFETIME_S = 10.0
"""Age at which an asset is deleted."""
_REPEATED = 0.2
"""Share of callbacks that come twice."""
_CONNECTIONS = 64
_STREAM_S = 5.0
"""Time after which a client leaves a stream."""
LATE = "late"
"""Kind of a read that its asset's deletion has overtaken: 404 and 410 are right then."""
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_TIMEOUT_S = 30.0


@dataclass
class Asset:
    """Asset that a callback or a request has made."""

    id: str
    made_s: float = field(default_factory=time.monotonic)
    deleted: bool = False


class Load:
    """Sends requests until cancelled, and counts the answers by kind and status."""

    def __init__(self, url: str, token: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._random = random.Random(1)  # noqa: S311 - a load, the same at each run
        self._assets: deque[Asset] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self.answers: Counter[tuple[str, int]] = Counter()
        self._per_s: Mapping[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "callback": (6, self._callback),
            "import": (1, self._import),
            "poll": (20, self._poll),
            "list": (1, self._list),
            "stream": (3, self._stream),
            "delete": (7, self._delete),
            "forged": (2, self._forged),
            "unknown": (1, self._unknown),
        }

    async def run(self) -> None:
        """Send all kinds until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for per_s, action in self._per_s.values():
                    group.create_task(self._repeat(per_s, action))
        finally:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _repeat(self, per_s: float, action: Callable[[], Awaitable[None]]) -> None:
        """Start a request at each tick, whether or not the answers come."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            task = asyncio.ensure_future(_done(action()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += 1 / per_s
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _callback(self) -> None:
        body, headers = callback(new_id())
        for _ in range(2 if self._random.random() < _REPEATED else 1):
            status, content = await self._send("callback", "POST", CALLBACK, data=body, headers=headers)
        if status == 200:  # noqa: PLR2004 - OK
            self._assets.extend(Asset(each["asset_id"]) for each in json.loads(content)["assets"])

    async def _import(self) -> None:
        body = {"url": f"https://files.example.com/{uuid4()}.mp4", "metadata": {"scene": 1}}
        status, content = await self._send("import", "POST", "/api/v1/media/import-from-url", json=body)
        if status == 202:  # noqa: PLR2004 - accepted
            self._assets.append(Asset(json.loads(content)["asset_id"]))

    async def _poll(self) -> None:
        if self._assets:
            asset = self._random.choice(self._assets)
            await self._send("poll", "GET", f"/api/v1/media/{asset.id}", about=asset)

    async def _list(self) -> None:
        await self._send("list", "GET", self._random.choice(["/api/v1/media/?limit=50", "/api/v1/stats"]))

    async def _stream(self) -> None:
        """Follow the newest asset to its end; one client in some leaves before."""
        if self._assets:
            asset, leave_after_s = self._assets[-1], self._random.choice([0.01, _STREAM_S, _STREAM_S])
            path = f"/api/v1/media/{asset.id}/events"
            await self._send("stream", "GET", path, about=asset, leave_after_s=leave_after_s)

    async def _delete(self) -> None:
        if self._assets and time.monotonic() - self._assets[0].made_s > LIFETIME_S:
            asset = self._assets.popleft()
            asset.deleted = True
            await self._send("delete", "DELETE", f"/api/v1/media/{asset.id}")

    async def _forged(self) -> None:
        body, headers = callback(new_id())
        await self._send("forged", "POST", CALLBACK, data=body + b" ", headers=headers)

    async def _unknown(self) -> None:
        await self._send("unknown", "GET", f"/api/v1/media/{uuid4()}")

    async def _send(  # noqa: PLR0913 - what a request may vary
        self,
        kind: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        about: Asset | None = None,
        leave_after_s: float = _TIMEOUT_S,
        **arguments: object,
    ) -> tuple[int, bytes]:
        """Send a request and count its answer; what comes after `leave_after_s` is not waited for."""
        status, content = ERROR, b""
        try:
            sending = self._session.request(method, self._url + path, headers=headers or self._bearer, **arguments)  # type: ignore[arg-type]  # aiohttp's own
            async with asyncio.timeout(leave_after_s), sending as answer:
                status = answer.status
                content = await answer.read()
        except TimeoutError:
            # A client that leaves before the answer has begun counts nothing.
            if leave_after_s < _TIMEOUT_S and status == ERROR:
                return status, content
        except aiohttp.ClientError:
            status = ERROR
        overtaken = about is not None and about.deleted and status in _GONE
        self.answers[LATE if overtaken else kind, status] += 1
        return status, content


async def _done(action: Awaitable[None]) -> None:
    await action


def session() -> aiohttp.ClientSession:
    """Return the clients' session, as many browsers and generators have it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS), timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
    )
