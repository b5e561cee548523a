"""Attempts whose store breaks, and attempts that follow a killed one."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources


@dataclass
class Proxy:
    """Passes bytes on to the store until a connection has sent `cut_after` bytes, then none for `idle_s`, so often."""

    to_port: int
    cut_after: int
    cuts: int
    idle_s: float = 0.0
    then: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.to_port)) as upstream:
            threading.Thread(target=_pump, args=(upstream, client), daemon=True).start()
            sent = 0
            with suppress(OSError):
                while data := client.recv(65536):
                    sent += len(data)
                    upstream.sendall(data)
                    if sent > self.cut_after and self._is_idle(client) and self._cuts():
                        client.shutdown(socket.SHUT_RDWR)
                        upstream.shutdown(socket.SHUT_RDWR)
                        self.then()
                        return

    def _is_idle(self, client: socket.socket) -> bool:
        return not select.select([client], [], [], self.idle_s)[0] if self.idle_s else True

    def _cuts(self) -> bool:
        with self._lock:
            self.cuts -= 1
            return self.cuts >= 0


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def cutting(
    port: int, *, cut_after: int, cuts: int, idle_s: float = 0.0, then: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Yield the port of a proxy that breaks uploads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(port, cut_after=cut_after, cuts=cuts, idle_s=idle_s, then=then)
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield str(listener.getsockname()[1])
        # Wakes the accept that waits.
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def noisy(studio: Studio) -> Callable[[int], bytes]:
    """Return a video of eight seconds of so many megabits each."""

    def make(megabits: int) -> bytes:
        rate = f"{megabits}000"
        file = studio.make(
            f"noisy-{megabits}.mp4", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=8", "-c:v", "libx264", "-preset",
            "ultrafast", "-b:v", f"{rate}k", "-x264-params",
            f"nal-hrd=cbr:filler=1:vbv-maxrate={rate}:vbv-bufsize={rate}",
        )  # fmt: skip
        return file.read_bytes()

    return make


def test_upload_that_breaks_is_repeated_from_scratch_space(
    imports: Imports, sources: Sources, noisy: Callable[[int], bytes]
) -> None:
    body = noisy(4)
    task = imports.task(sources.add(lambda conversation: conversation.answer(body)))

    with cutting(imports.store.port, cut_after=1_000_000, cuts=1) as port:
        result = imports.run(task, S3_ENDPOINT_URL=f"https://127.0.0.1:{port}")

    assert result.reason is Reason.IMPORTED, result
    assert imports.stored(task)["video.mp4"] == len(body)
    assert sum(task.spec.source.location.rpartition("/")[2] in request for request in sources.requests) == 1


@pytest.mark.trap(
    "a source that pauses for longer than the store waits",
    "mp4",
    "the broken upload is repeated from the scratch file",
)
def test_upload_that_breaks_while_the_source_pauses_is_repeated(
    imports: Imports, sources: Sources, noisy: Callable[[int], bytes]
) -> None:
    body, hung_up = noisy(4), threading.Event()

    def pausing(conversation: Conversation) -> None:
        conversation.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:3_000_000])
        assert hung_up.wait(30)
        conversation.send(body[3_000_000:])

    task = imports.task(sources.add(pausing))

    with cutting(imports.store.port, cut_after=1_000_000, cuts=1, idle_s=1.0, then=hung_up.set) as port:
        result = imports.run(task, S3_ENDPOINT_URL=f"https://127.0.0.1:{port}")

    assert result.reason is Reason.IMPORTED, result
    assert imports.stored(task)["video.mp4"] == len(body)
    assert sum(task.spec.source.location.rpartition("/")[2] in request for request in sources.requests) == 1


def test_part_that_breaks_is_sent_again(
    plain_imports: Imports, sources: Sources, noisy: Callable[[int], bytes]
) -> None:
    body = noisy(20)
    task = plain_imports.task(sources.add(lambda conversation: conversation.answer(body)))

    with cutting(plain_imports.store.port, cut_after=1_000_000, cuts=1) as port:
        result = plain_imports.run(task, S3_ENDPOINT_URL=f"http://127.0.0.1:{port}")

    assert result.reason is Reason.IMPORTED, result
    assert plain_imports.stored(task)["video.mp4"] == len(body)
    assert plain_imports.left_over() == []


def test_store_that_always_breaks_is_unavailable_and_left_clean(
    imports: Imports, sources: Sources, noisy: Callable[[int], bytes]
) -> None:
    body = noisy(4)
    task = imports.task(sources.add(lambda conversation: conversation.answer(body)), deadline_seconds=30)

    with cutting(imports.store.port, cut_after=1_000_000, cuts=1000) as port:
        result = imports.run(task, S3_ENDPOINT_URL=f"https://127.0.0.1:{port}")

    assert result.reason is Reason.STORE_UNAVAILABLE
    assert imports.stored(task) == {}


def test_attempt_after_a_killed_one_ends_whole_and_cleans_up(
    any_imports: Imports, sources: Sources, noisy: Callable[[int], bytes]
) -> None:
    importing = any_imports
    body = noisy(20)
    sent, over = threading.Event(), threading.Event()

    def first_stuck(conversation: Conversation) -> None:
        if sent.is_set():
            return conversation.answer(body)
        conversation.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:18_000_000])
        sent.set()
        over.wait(60)
        return None

    task = importing.task(sources.add(first_stuck))
    killed = subprocess.Popen(
        [sys.executable, "-m", "mediaimport_importer"],
        env=importing.variables(task) | {"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
    )
    assert sent.wait(30)
    if importing.store.certificate is None:
        _await(lambda: any(task.asset_id in key for key in importing.left_over()))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    over.set()

    result = importing.run(task.model_copy(update={"attempt": 2}))

    assert result.reason is Reason.IMPORTED, result
    assert set(importing.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    for file in importing.prober.scratch.glob("attempt-*"):
        file.unlink()
    assert importing.left_over() == []


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
