from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from dev.cluster.lock import held

if TYPE_CHECKING:
    from dev.cluster.places import Places

HOLD = """
import pathlib, sys
from dev.cluster.lock import held
from dev.cluster.places import Places
with held(Places(pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_half_made_things_are_gone_once_it_is_held(places: Places) -> None:
    (places.scratch / "half").mkdir(parents=True)
    with held(places):
        assert list(places.scratch.iterdir()) == []


def test_it_is_given_back_by_a_holder_that_is_killed(places: Places) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(places.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        with held(places):
            assert places.scratch.exists()


def test_second_holder_waits_for_the_first(places: Places) -> None:
    command = [sys.executable, "-c", HOLD, str(places.root)]
    with held(places):
        second = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert second.stderr is not None
        assert b"waiting" in second.stderr.readline()
        assert second.poll() is None
    with second:
        output, _ = second.communicate(timeout=10)
    assert output == b"held\n"
