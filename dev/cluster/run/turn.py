"""Turns of several checkouts on the one cluster: the tests of one at a time, since names in it are the same."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dev.cluster.cache import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dev.cluster.cache import Cache

VARIABLE = "MEDIAIMPORT_TURN"
"""Set for what runs in a turn: it does not wait for another one."""


def run(cache: Cache, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command once no other checkout's tests run; return its exit status."""
    if environ.get(VARIABLE):
        return subprocess.call(command)
    with _held(cache), _signals_passed_on() as pass_on_to:
        # The lock's file is not inherited: a node that the command starts would hold it for ever.
        process = subprocess.Popen(command, env={**environ, VARIABLE: str(os.getpid())})
        pass_on_to(process)
        return process.wait()


@contextmanager
def _held(cache: Cache) -> Iterator[None]:
    """Hold the turn; the kernel gives it back when this process ends, however it ends."""
    cache.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache.root / "turn").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"waiting for the tests of {file.read() or 'another checkout'}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{CHECKOUT} (process {os.getpid()}), which use the same cluster")
        file.flush()
        yield


@contextmanager
def _signals_passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Leave signals to the command: a terminal sends Ctrl-C to it too, SIGTERM is passed on.

    One that comes while the command starts is kept until the yielded function is called. The handlers are functions,
    since the command would inherit SIG_IGN.
    """
    terminated = False
    running: subprocess.Popen[bytes] | None = None

    def on_term(*_: object) -> None:
        nonlocal terminated
        terminated = True
        if running is not None:
            running.terminate()

    def pass_on_to(process: subprocess.Popen[bytes]) -> None:
        nonlocal running
        running = process
        if terminated:
            process.terminate()

    former = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, on_term),
    }
    try:
        yield pass_on_to
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
