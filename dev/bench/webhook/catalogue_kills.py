"""Kills of programs that write the catalogue's database, and of PostgreSQL below them."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.postgres import Postgres

_LIMIT_S = 600
_POLL_S = 0.02
_UNFINISHED = 3
_STARTED_ROWS = 100


@dataclass(frozen=True)
class Writer:
    """A program that writes rows, and ends once it has written all."""

    command: Sequence[str]
    variables: Mapping[str, str]

    def started(self) -> subprocess.Popen[bytes]:
        """Start it."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.command, env=dict(self.variables), stdout=quiet, stderr=quiet)

    def finish(self) -> float:
        """Let it run to its end; return the seconds."""
        begun = time.monotonic()
        process = self.started()
        if process.wait(_LIMIT_S) != 0:
            raise RuntimeError(f"{self.command} exits with {process.returncode}")
        return time.monotonic() - begun


def kill_writer(writer: Writer, *, times: int, lasts_s: float) -> None:
    """Kill it that often, anywhere in the time that it takes, start included; then let it end."""
    killed = 0
    while killed < times:
        process = writer.started()
        time.sleep(random.uniform(0.2, 0.95) * lasts_s)  # noqa: S311 - no secret
        killed += process.poll() is None
        process.kill()
        process.wait(_LIMIT_S)
    writer.finish()


def kill_server(writer: Writer, server: Postgres, url: str, *, times: int) -> None:
    """Kill PostgreSQL that often while the program writes, from an empty table each time; then let it end."""
    killed = 0
    while killed < times:
        server.query("TRUNCATE media_assets", url=url)
        process = writer.started()
        while killed < times and _has_grown(server, url, process):
            time.sleep(random.uniform(0, 0.3))  # noqa: S311 - no secret
            server.kill()
            server.start()
            killed += 1
        if process.wait(_LIMIT_S) not in {0, _UNFINISHED}:
            raise RuntimeError(f"{writer.command} exits with {process.returncode}")
    writer.finish()


def _has_grown(server: Postgres, url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the program has written more rows; return False if it ends before."""
    before = _rows(server, url)
    while process.poll() is None:
        if _rows(server, url) >= before + _STARTED_ROWS:
            return True
        time.sleep(_POLL_S)
    return False


def _rows(server: Postgres, url: str) -> int:
    return int(server.query("SELECT count(*) FROM media_assets", url=url))
