"""Turns of two checkouts, as two processes that share a cache folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.run import turn
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class Turns:
    """Starts commands that want a turn."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._environment = {name: value for name, value in os.environ.items() if name != turn.VARIABLE}

    def start(self, name: str, script: str) -> subprocess.Popen[str]:
        """Run `make test` of a checkout, as it were; its messages are in a file."""
        messages = self._stack.enter_context((self.folder / f"{name}.err").open("w"))
        return self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "dev.cluster", "turn", "sh", "-c", script],
                cwd=CHECKOUT,
                env={**self._environment, "XDG_CACHE_HOME": str(self.folder)},
                stderr=messages,
                process_group=0,
                text=True,
            )
        )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.err").read_text()

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()


@pytest.fixture
def turns(tmp_path: Path) -> Iterator[Turns]:
    with ExitStack() as stack:
        yield Turns(tmp_path, stack)


def test_second_checkout_says_that_it_waits_and_runs_after_the_first(turns: Turns) -> None:
    folder = turns.folder
    one = turns.start("one", f"touch {folder}/begun; until [ -e {folder}/go ]; do sleep 0.05; done; rm {folder}/begun")
    until(lambda: turns.has("begun"), timeout_s=20, what="the first runs")
    other = turns.start("other", f"[ ! -e {folder}/begun ] && touch {folder}/alone")
    until(lambda: bool(turns.said("other")), timeout_s=20, what="the second says that it waits")
    assert f"waiting for the tests of {CHECKOUT} (process {one.pid}), which use the same cluster" in turns.said("other")
    assert not turns.has("alone")
    (folder / "go").touch()
    assert one.wait(20) == 0
    assert other.wait(20) == 0
    assert turns.has("alone")


def test_what_runs_in_a_turn_does_not_wait_for_it(turns: Turns) -> None:
    nested = f"{sys.executable} -m dev.cluster turn sh -c 'exit 7'"
    assert turns.start("outer", nested).wait(20) == 7


def test_turn_of_a_killed_run_is_free(turns: Turns) -> None:
    one = turns.start("one", f"touch {turns.folder}/begun; exec sleep 60")
    until(lambda: turns.has("begun"), timeout_s=20, what="the first runs")
    os.killpg(one.pid, signal.SIGKILL)
    assert turns.start("other", "exit 0").wait(20) == 0
    assert turns.said("other") == ""


def test_daemon_that_a_run_leaves_does_not_keep_the_turn(turns: Turns) -> None:
    lives = f"for i in $(seq 600); do [ -e {turns.folder}/go ] && break; sleep 0.1; done; touch {turns.folder}/ended"
    assert turns.start("one", f"setsid --fork sh -c '{lives}'").wait(20) == 0
    assert turns.start("other", "exit 0").wait(20) == 0
    assert not turns.has("ended")
    (turns.folder / "go").touch()
    until(lambda: turns.has("ended"), timeout_s=20, what="the daemon ends")


def test_signal_reaches_the_command_and_its_status_is_returned(turns: Turns) -> None:
    one = turns.start("one", f"trap 'exit 3' TERM; touch {turns.folder}/begun; while :; do sleep 0.05; done")
    until(lambda: turns.has("begun"), timeout_s=20, what="the first runs")
    one.terminate()
    assert one.wait(20) == 3


@pytest.fixture
def handlers() -> Iterator[None]:
    """Handlers of this process, for the length of a test: they must not get what is meant for a command."""
    former = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in former.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("handlers")
def test_signal_that_comes_while_the_command_starts_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, command: Sequence[str], *, env: Mapping[str, str]) -> None:
            super().__init__(command, env=env)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("dev.cluster.run.turn.subprocess.Popen", Interrupted)
    assert turn.run(Cache(tmp_path), ["sleep", "20"], os.environ.copy() | {turn.VARIABLE: ""}) == -signal.SIGTERM


@pytest.mark.usefixtures("handlers")
def test_command_ends_by_ctrl_c(tmp_path: Path) -> None:
    command = ["sh", "-c", "kill -INT $$; sleep 20"]
    assert turn.run(Cache(tmp_path), command, os.environ.copy() | {turn.VARIABLE: ""}) == -signal.SIGINT
