from __future__ import annotations

import pytest

from dev.cluster.node.api_server import is_ready


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([], False),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "DiskPressure", "status": "True"}], False),
        ([{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}], True),
    ],
)
def test_node_is_ready_when_it_says_so(conditions: list[dict[str, str]], *, ready: bool) -> None:
    assert is_ready({"status": {"conditions": conditions}}) is ready


def test_node_that_has_said_nothing_yet_is_not_ready() -> None:
    assert is_ready({"metadata": {"name": "one"}}) is False
