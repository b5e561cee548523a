"""Load generator for reads, as a process of its own: `python -m dev.bench.webhook.open_loop`, JSON in, JSON out.

Open loop: a request is due at each tick, whether or not the answers come; its time counts from the tick, so that a
slow server cannot slow down the load that measures it. A tick whose request leaves late is a missed one: this process
was too slow, or all connections waited. Without a rate, each path is asked for once, as fast as the answers come.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dev.bench.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LATE_S = 0.010
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Load:
    """Requests to send. `per_s`: 0 for each path once."""

    url: str
    token: str
    paths: Sequence[str]
    connections: int = 32
    per_s: int = 0
    seconds: float = 10


@dataclass(frozen=True)
class Outcome:
    """Result of a load. Times of the answers, from the ticks in an open loop."""

    requests: int
    errors: int
    missed_ticks: int
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def run(load: Load) -> Outcome:
    """Send the load from another process, so that it has a processor of its own."""
    command = [sys.executable, "-m", "dev.bench.webhook.open_loop"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the load generator failed:\n{done.stderr[-2000:]}")
    return Outcome(**json.loads(done.stdout))


class _Connection:
    """Connection that is opened again after an error."""

    def __init__(self, load: Load) -> None:
        place = urlsplit(load.url)
        self._host, self._port = place.hostname or "", place.port or 80
        self._head = f" HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {load.token}\r\n\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = self._streams or await asyncio.open_connection(self._host, self._port)
        return self._streams

    async def get(self, path: str) -> int:
        """Return the status of the answer; 0 if there is none."""
        with suppress(OSError, EOFError, ValueError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await self.open()
                writer.write(f"GET {path}{self._head}".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                return int(head.split(b" ", 2)[1])
        self.close()
        return 0

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


@dataclass
class _Run:
    load: Load
    idle: asyncio.Queue[_Connection] = field(default_factory=asyncio.Queue)
    times_s: list[float] = field(default_factory=list)
    errors: int = 0
    missed: int = 0

    async def outcome(self) -> Outcome:
        for _ in range(self.load.connections):
            connection = _Connection(self.load)
            await connection.open()
            self.idle.put_nowait(connection)
        begun = time.monotonic()
        await (self._at_ticks() if self.load.per_s else self._each_once())
        duration_s = time.monotonic() - begun
        p50, p99, longest = (percentile(self.times_s, each) * 1000 for each in (50, 99, 100))
        count = len(self.times_s)
        return Outcome(count, self.errors, self.missed, count / duration_s, p50, p99, longest)

    async def _at_ticks(self) -> None:
        count = int(self.load.per_s * self.load.seconds)
        paths = random.sample(self.load.paths, len(self.load.paths))
        begun, asked = time.monotonic() + 0.1, []
        for number, path in enumerate(islice(cycle(paths), count)):
            due = begun + number / self.load.per_s
            await asyncio.sleep(max(due - time.monotonic(), 0))
            asked.append(asyncio.create_task(self._one(path, due)))
        await asyncio.gather(*asked)

    async def _one(self, path: str, due: float) -> None:
        connection = await self.idle.get()
        self.missed += time.monotonic() - due > LATE_S
        await self._ask(connection, path, due)
        self.idle.put_nowait(connection)

    async def _each_once(self) -> None:
        paths = iter(self.load.paths)
        await asyncio.gather(*(self._several(paths) for _ in range(self.load.connections)))

    async def _several(self, paths: Iterator[str]) -> None:
        connection = await self.idle.get()
        for path in paths:
            await self._ask(connection, path, time.monotonic())

    async def _ask(self, connection: _Connection, path: str, since: float) -> None:
        self.errors += await connection.get(path) != 200  # noqa: PLR2004 - HTTP's own number
        self.times_s.append(time.monotonic() - since)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_Run(Load(**json.load(sys.stdin))).outcome()))))
