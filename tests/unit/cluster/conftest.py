from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.cluster.places import Places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.of({"XDG_CACHE_HOME": str(tmp_path / "cache")})
