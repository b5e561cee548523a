"""Receivers of events, run as programs: they take what the operator sends, and nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.status import AssetEvent, Notification, Status
from mediaimport_operator.notify.message import Message, message
from mediaimport_operator.notify.poster import Answer, Poster
from mediaimport_operator.observe.resource import read
from mediaimport_operator.settings.events import Endpoint

from tests.support.endpoints import KEY, OTHER_KEY
from tests.support.operator_fakes import UID, Build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOOPBACK = SourcePolicy((ip_network("127.0.0.0/8"),))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int, output: Path) -> Iterator[str]:
    """Run a receiver; yield its URL."""
    environment = {**os.environ, "SIGNING_KEY": KEY, "PORT": str(port)}
    with (
        output.open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}/hooks/mediaimport"
        finally:
            process.terminate()


async def _delivered(url: str, sent: Message, endpoint: Endpoint, *, now: datetime) -> Answer:
    """Send a message, at first until the receiver has started."""
    async with asyncio.timeout(60):
        while True:
            answer = await Poster(LOOPBACK).post(url, sent.body, sent.headers(endpoint, now=now))
            if answer.status is not None:
                return answer
            await asyncio.sleep(0.1)


async def _statuses(url: str) -> list[int | None]:
    """Return the answers to an event, a double with two signatures, and three that nobody may believe."""
    now = datetime.now(UTC)
    told = Notification(event=AssetEvent.READY, at=now)
    sent = message(read(Build().mediaimport(name="Füße 🦶.mp4")), Status(notification=told), told)
    endpoint = Endpoint("crm", url, (KEY,))
    tries = (
        (endpoint, now),
        (replace(endpoint, keys=(OTHER_KEY, KEY)), now),
        (replace(endpoint, keys=(OTHER_KEY,)), now),
        (endpoint, now - timedelta(minutes=6)),
    )
    answers = [await _delivered(url, sent, each, now=at) for each, at in tries]
    forged = sent.body.replace("ready", "failed")
    answers.append(await Poster(LOOPBACK).post(url, forged, sent.headers(endpoint, now=now)))
    return [each.status for each in answers]


def check(command: Sequence[str], *, folder: Path, port: int, output: Path) -> None:
    """Run a receiver: it takes each event once, and none that is forged or old."""
    with _running(command, folder, port, output) as url:
        assert asyncio.run(_statuses(url)) == [204, 204, 401, 401, 401]
    assert output.read_text().splitlines() == [f"asset.ready {UID}"]
