from __future__ import annotations

import re
from pathlib import Path

from dev.cluster import up
from dev.cluster.programs import go


def test_every_typical_time_is_that_of_a_task() -> None:
    started = set(re.findall(r'tasks\.start\(\s*"([^"]+)"', Path(up.__file__).read_text()))
    compiled = {f"compile {module.name}" for module in (*go.NEEDED, go.OLDEST)}
    assert set(up.TYPICAL_S) <= started | compiled
    assert compiled <= set(up.TYPICAL_S)
