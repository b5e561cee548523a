"""The memory budget with real processes: parts are never given twice, and those of the dead are free."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober.memory import MIB, PROGRAM_BYTES, Budget, NoRoomError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Newer Pythons warn of forks in a process with threads; the prober has none, the test run has.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def soon() -> float:
    return time.monotonic() + 10


def child(work: Callable[[int], None]) -> tuple[int, int]:
    """Run the work in a child, which gets the writing end of a pipe; return its pid and the reading end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


def holding(budget: Budget, parts: int) -> tuple[int, int]:
    """Return a child that holds parts until it is killed."""

    def work(writing: int) -> None:
        with budget.room(parts, deadline=soon()):
            os.write(writing, b"1")
            time.sleep(60)

    pid, reading = child(work)
    assert os.read(reading, 1) == b"1"
    return pid, reading


def kill(*children: tuple[int, int]) -> None:
    for pid, reading in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


@pytest.mark.parametrize("container_mib", [64, 128, 200, 256, 512, 1024, 2048, 8192])
def test_all_parts_and_the_prober_itself_fit_into_the_container(container_mib: int) -> None:
    budget = Budget(container_mib * MIB)

    tools_bytes = budget.parts * budget.part_bytes
    assert 0 < tools_bytes <= max(container_mib * MIB - PROGRAM_BYTES, container_mib * MIB // 2)
    assert budget.sizes[-1] == budget.parts


def test_default_limit_has_four_parts_of_224_mib() -> None:
    assert (Budget().parts, Budget().part_bytes) == (4, 224 * MIB)


def test_part_more_than_there_are_waits_until_one_is_free() -> None:
    budget = Budget()
    children = [holding(budget, 1) for _ in range(4)]
    begun = time.monotonic()

    with pytest.raises(NoRoomError), budget.room(1, deadline=begun + 0.2):
        pass
    assert time.monotonic() - begun < 5
    kill(children.pop())
    with budget.room(1, deadline=soon()) as size_bytes:
        assert size_bytes == budget.part_bytes
    kill(*children)


def test_whole_waits_until_its_tool_is_alone() -> None:
    budget = Budget()
    one = holding(budget, 1)

    with pytest.raises(NoRoomError), budget.room(4, deadline=time.monotonic() + 0.1):
        pass
    kill(one)
    with budget.room(4, deadline=soon()) as size_bytes:
        assert size_bytes == 4 * budget.part_bytes


def test_parts_that_were_gathered_in_vain_are_given_back() -> None:
    budget = Budget()
    one = holding(budget, 1)
    with pytest.raises(NoRoomError), budget.room(4, deadline=time.monotonic() + 0.1):
        pass

    others = [holding(budget, 1) for _ in range(3)]

    kill(one, *others)


def test_no_byte_is_given_twice_under_load(tmp_path: Path) -> None:
    budget = Budget()
    counter = os.open(tmp_path / "changes", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    began = time.monotonic()

    def work(parts: int) -> Callable[[int], None]:
        def hold(writing: int) -> None:
            for _ in range(20):
                with budget.room(parts, deadline=soon()):
                    os.write(counter, bytes([parts]))
                    time.sleep(0.002)
                    os.write(counter, bytes([256 - parts]))
            os.write(writing, b"1")

        return hold

    children = [child(work(parts)) for parts in (1, 1, 1, 1, 1, 4, 4)]
    for pid, reading in children:
        assert os.read(reading, 1) == b"1", "it got no room"
        os.waitpid(pid, 0)
        os.close(reading)
    # Appended bytes stand in their order.
    held = most = 0
    for change in os.pread(counter, 100_000, 0):
        held = (held + change) % 256
        most = max(most, held)
    os.close(counter)
    assert (held, most) == (0, 4)
    assert time.monotonic() - began < 30
