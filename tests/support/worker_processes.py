"""Program of the tests of worker processes: `python -m tests.support.worker_processes NUMBER [ASSET DEED]`.

It prints the sum of each chunk of 100 assets, ten at a time, and the last prefix. At that ASSET the process does that
DEED.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.workers import Processes, WorkerLostError
from mediaimport_webhook.store.listing import ListedAsset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_COUNT = 100


@dataclass(frozen=True)
class _Settings:
    processes: int
    asset: int | None
    deed: str
    log_level: str = "info"


@asynccontextmanager
async def _summing(settings: _Settings) -> AsyncIterator[Callable[[list[ListedAsset]], Awaitable[tuple[int, int]]]]:
    if settings.deed == "not opened":
        raise DatabaseUnavailableError("no password")

    async def work(chunk: list[ListedAsset]) -> tuple[int, int]:
        numbers = [int(each.keys.asset_id) for each in chunk]
        if settings.asset in numbers:
            await _do(settings.deed)
        return sum(numbers), os.getpid()

    yield work


async def _do(deed: str) -> None:
    match deed:
        case "refused":
            raise DatabaseUnavailableError("away")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fault":
            raise ZeroDivisionError
        case "stuck":
            _tell("stuck", os.getpid())
            await asyncio.sleep(3600)


def _tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def _assets() -> AsyncIterator[ListedAsset]:
    for number in range(_COUNT):
        yield ListedAsset(AssetKeys("alice", f"{number:03}"), frozenset())


async def _main(processes: Processes) -> int:
    try:
        async with processes.at_work() as workers:
            async for last, (total, pid) in workers.results(_assets()):
                _tell(last, total, "here" if pid == os.getpid() else "there")
    except (DatabaseUnavailableError, WorkerLostError) as error:
        _tell(f"{type(error).__name__}: {error}")
        return 3
    return 0


if __name__ == "__main__":
    number, asset, deed = [*sys.argv[1:], None, ""][:3]
    given = _Settings(int(str(number)), None if asset is None else int(asset), str(deed))
    sys.exit(asyncio.run(_main(Processes(_summing, given, chunk=10))))
