"""Removal of programs that a newer version has replaced."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from dev.cluster.programs import clients, go

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dev.cluster.cache import Cache

NAMES = (*(module.name for module in (*go.NEEDED, go.OLDEST, *go.ON_REQUEST)), clients.NAME)
KEPT = 2
"""Folders of one name that stay, the last used ones: two checkouts may have two versions."""


def prune(cache: Cache, names: Iterable[str] = NAMES) -> None:
    """Remove all folders of programs but those that were used last."""
    for name in names:
        pattern = f"{name}-{'[0-9a-f]' * go.KEY_LENGTH}"
        found = sorted(cache.programs.glob(pattern), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in found[KEPT:]:
            shutil.rmtree(folder)
