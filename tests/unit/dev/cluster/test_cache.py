from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dev.cluster.cache import Cache

HOLD = """
import pathlib, sys
from dev.cluster.cache import Cache
with Cache(pathlib.Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_cache_folder_of_the_desktop_standard_is_followed() -> None:
    assert Cache.of({"XDG_CACHE_HOME": "/caches", "HOME": "/home/ada"}).root == Path("/caches/mediaimport")


def test_cache_is_in_the_home_folder_where_nothing_else_is_said() -> None:
    assert Cache.of({"XDG_CACHE_HOME": "", "HOME": "/home/ada"}).root == Path("/home/ada/.cache/mediaimport")


def test_half_made_things_are_gone_once_it_is_held(cache: Cache) -> None:
    (cache.scratch / "half").mkdir(parents=True)
    with cache.locked():
        assert list(cache.scratch.iterdir()) == []


def test_it_is_given_back_by_a_holder_that_is_killed(cache: Cache) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(cache.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        with cache.locked():
            assert cache.scratch.exists()


def test_second_holder_waits_for_the_first(cache: Cache) -> None:
    command = [sys.executable, "-c", HOLD, str(cache.root)]
    with cache.locked():
        second = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert second.stderr is not None
        assert b"waiting" in second.stderr.readline()
        assert second.poll() is None
    with second:
        output, _ = second.communicate(timeout=60)
    assert output == b"held\n"
