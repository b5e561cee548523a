from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dev.cluster.programs.prune import prune

if TYPE_CHECKING:
    from dev.cluster.cache import Cache


def test_programs_used_last_are_kept_and_older_ones_removed(cache: Cache) -> None:
    folders = [cache.programs / f"versitygw-{number:016x}" for number in range(4)]
    others = [cache.programs / "pause-and-more", cache.programs / f"clients-{1:016x}"]
    for age, folder in enumerate([*folders, *others]):
        folder.mkdir(parents=True)
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    os.utime(folders[3])
    prune(cache)
    assert sorted(cache.programs.iterdir()) == sorted([folders[0], folders[3], *others])


def test_fetched_clients_are_removed_like_compiled_programs(cache: Cache) -> None:
    folders = [cache.programs / f"clients-{number:016x}" for number in range(3)]
    for age, folder in enumerate(folders):
        folder.mkdir(parents=True)
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    prune(cache)
    assert sorted(cache.programs.iterdir()) == folders[:2]
