"""Connections that were closed, and one that was not, when the loop of a test ends."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.loopback.certificate import Certificate
from tests.support.settling_loop import SettlingLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def silent_peer(certificate: Certificate) -> Iterator[int]:
    """Accept one TLS connection and never answer its end."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with certificate.server_context().wrap_socket(accepted, server_side=True):
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def warnings_of(work: object, loop: type[asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what Python says of the sockets that are left when the work has run."""
    said: list[str] = []
    gc.collect()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "unraisablehook", lambda told: said.append(str(told.exc_value)))
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(work)  # type: ignore[arg-type]
        del work
        gc.collect()
    return [each for each in said if "unclosed" in each]


@pytest.mark.parametrize(("loop", "left"), [(SettlingLoop, False), (asyncio.SelectorEventLoop, True)])
def test_closed_connection_whose_peer_is_silent_leaves_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, loop: type[asyncio.AbstractEventLoop], left: bool
) -> None:
    certificate = Certificate.make(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate.authority))

    async def work(port: int) -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, "127.0.0.1", port, ssl=trust, server_hostname="localhost"
        )
        transport.close()

    with silent_peer(certificate) as port:
        assert bool(warnings_of(work(port), loop, monkeypatch)) is left


def test_connection_that_nobody_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(port: int) -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert warnings_of(work(listener.getsockname()[1]), SettlingLoop, monkeypatch)
