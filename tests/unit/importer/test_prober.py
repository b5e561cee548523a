"""The importer's side of the socket against probers that are gone, silent, killed or lying."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import AttemptError, StarvedProberError
from mediaimport_importer.prober import Prober
from mediaimport_prober import landlock
from mediaimport_prober.protocol import Failure, ProbeRequest, ThumbnailRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber

REQUEST = ProbeRequest(file="file")


@contextmanager
def playing(path: Path, act: Callable[[socket.socket], object], *, answer_s: float = 0.5) -> Iterator[Prober]:
    """Listen where the prober should, and do something else with the first connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                act(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Prober(path, start_s=1, answer_s=answer_s)
        thread.join()


def failure_of(prober: Prober, reason: Reason = Reason.PROBE_FAILED) -> AttemptError:
    begun = time.monotonic()
    with pytest.raises(AttemptError) as caught:
        prober.ask(REQUEST)
    assert time.monotonic() - begun < 10
    assert caught.value.reason is reason
    return caught.value


def test_prober_that_never_starts_ends_with_the_timeout(tmp_path: Path) -> None:
    with pytest.raises(AttemptError) as caught:
        Prober(tmp_path / "nowhere.sock", start_s=0.2).ask(REQUEST)

    assert caught.value.reason is Reason.UNEXPECTED


def test_prober_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "late.sock"

    def answer(connection: socket.socket) -> None:
        if connection.recv(4096):
            connection.sendall(b"\0\0\0\x02{}")

    def start() -> None:
        with playing(path, answer):
            pass

    timer = threading.Timer(0.2, start)
    timer.start()
    response, _ = Prober(path, start_s=5, answer_s=2).ask(REQUEST)
    timer.join()

    assert response.failure is None


@pytest.mark.attack("a prober that never responds", "ended by the timeout; stored without description")
def test_silent_prober_ends_with_the_timeout(tmp_path: Path) -> None:
    over = threading.Event()
    with playing(tmp_path / "s", lambda _: over.wait(10), answer_s=0.05) as prober:
        assert isinstance(failure_of(prober, Reason.UNEXPECTED), StarvedProberError)
        over.set()


@pytest.mark.attack("a prober that responds byte by byte", "ended by the timeout; stored without description")
def test_dripping_prober_ends_with_the_timeout(tmp_path: Path) -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(struct.pack("!I", 100_000))
        with suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b" ")

    with playing(tmp_path / "s", drip, answer_s=0.2) as prober:
        assert isinstance(failure_of(prober, Reason.UNEXPECTED), StarvedProberError)
        over.set()


@pytest.mark.parametrize(
    "said",
    [b"\0\0\0\x02[]", b"\xff\xff\xff\xff", b"\0\0\0\x05hello", b'\0\0\0\x13{"payloadBytes": 100}x'],
)
@pytest.mark.attack("a prober that sends wrong lengths and types", "refused")
def test_invalid_response_is_refused(tmp_path: Path, said: bytes) -> None:
    with playing(tmp_path / "s", lambda connection: connection.sendall(said)) as prober:
        failure_of(prober)


@pytest.mark.parametrize("said", [b"", b"\0\0\0\x02", b'\0\0\0\x15{"payloadBytes": 100}x'])
@pytest.mark.attack("a prober that ends within its response", "OutOfMemory: retried with more memory")
def test_prober_that_ends_without_a_response_is_no_fault_of_the_file(tmp_path: Path, said: bytes) -> None:
    def act(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(said)

    with playing(tmp_path / "s", act) as prober:
        error = failure_of(prober, Reason.OUT_OF_MEMORY)

    assert error.retryable
    assert "prober.resources.limits.memory" in error.public_message


def test_prober_that_ends_before_it_reads_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with playing(tmp_path / "s", lambda connection: connection.close()) as prober:
        failure_of(prober, Reason.OUT_OF_MEMORY)


def test_message_of_a_prober_that_was_taken_over_is_plain_and_short(tmp_path: Path) -> None:
    said = json.dumps({"message": "\x01\u202e" * 256}).encode()
    message = struct.pack("!I", len(said)) + said

    def answer(connection: socket.socket) -> None:
        if connection.recv(4096):
            connection.sendall(message)

    with playing(tmp_path / "s", answer) as prober:
        response, _ = prober.ask(REQUEST)

    assert response.message == "?" * 400


@pytest.mark.attack("random bytes sent to the prober", "it answers the next request")
def test_real_prober_survives_random_bytes(prober: RunningProber, studio: Studio) -> None:
    for nonsense in (b"", b"\0", b"\xff" * 100, b"\0\0\0\x02{}", os.urandom(5000)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(prober.socket))
            connection.sendall(nonsense)

    response, _ = prober.client.ask(ProbeRequest(file=prober.add(studio.video())))

    assert response.failure is None


def test_real_prober_says_which_landlock_confines_it(tmp_path: Path) -> None:
    environment = {"SCRATCH_DIRECTORY": str(tmp_path), "PROBER_SOCKET": str(tmp_path / "s"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mediaimport_prober"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.terminate()

    assert line["landlock"] == landlock.version()


def test_real_prober_names_a_missing_file(prober: RunningProber) -> None:
    response, _ = prober.client.ask(ProbeRequest(file="nowhere"))

    assert response.failure is Failure.NO_FILE


@pytest.mark.attack("ffprobe killed in the middle", "this request fails, the next works")
def test_connection_whose_child_is_killed_fails_and_the_next_works(prober: RunningProber, studio: Studio) -> None:
    file = prober.add(studio.video())
    before = _children_of(prober.process.pid)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(prober.socket))
        while not (new := _children_of(prober.process.pid) - before):
            time.sleep(0.01)
        os.kill(new.pop(), signal.SIGKILL)
        assert connection.recv(1) == b""

    response, jpeg = prober.client.ask(ThumbnailRequest(file=file, width_pixels=64))

    assert response.failure is None
    assert jpeg


def test_kernel_out_of_memory_kills_a_child_before_the_prober(prober: RunningProber) -> None:
    before = _children_of(prober.process.pid)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(prober.socket))
        while not (new := _children_of(prober.process.pid) - before):
            time.sleep(0.01)
        score = Path(f"/proc/{new.pop()}/oom_score_adj")
        deadline = time.monotonic() + 5
        while score.read_text() != "1000\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert Path(f"/proc/{prober.process.pid}/oom_score_adj").read_text() != "1000\n"


def _children_of(parent: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}
