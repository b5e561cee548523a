from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installation.burst import COLUMNS, Burst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.helm import Values
    from tests.support.installation.world import World

TABLE = Path(__file__).resolve().parents[3] / "build" / "faults.md"
_ROWS = pytest.StashKey[list[tuple[str, ...]]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder: they take minutes, and some break the cluster for all others."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("faults")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of faults and write it to build/faults.md."""
    if not config.stash[_ROWS]:
        return
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *config.stash[_ROWS]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n")
    terminalreporter.section("faults")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def values() -> Values:
    """Values of the chart: its defaults have to survive the faults."""
    return {}


@pytest.fixture
def burst(world: World, request: pytest.FixtureRequest) -> Iterator[Burst]:
    """Burst without imports yet; unfinished ones are deleted after the test, since the next one needs the slots."""
    fault = request.node.name.removeprefix("test_").replace("_", " ")
    burst = Burst(world, f"burst-{secrets.token_hex(3)}-", request.config.stash[_ROWS], fault)
    yield burst
    names = [each["metadata"]["name"] for each in burst.resources()]
    if names:
        world.kubectl("delete", "mi", *names, "--wait=false")
