"""Running webhook, tested by schemathesis against its OpenAPI document."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.support.installation.world import World

EXAMPLES = 40


@pytest.fixture
def idle(world: World) -> Iterator[World]:
    """World without its operator, so that generated imports never start."""
    before = world.names()
    world.scale("operator", 0)
    yield world
    for name in world.names() - before:
        world.kubectl("delete", "mi", name, "--wait=false")
    world.scale("operator", 1)


def test_schemathesis_finds_no_undocumented_answer(idle: World, webhook: httpx.Client, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", str(webhook.base_url.join("/openapi.json")),
            "--header", f"Authorization: {webhook.headers['authorization']}",
            "--checks", "all",
            # Which hosts may be imported from, and what a cursor is, no schema can say.
            "--exclude-checks", "positive_data_acceptance",
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(EXAMPLES),
            "--seed", "1",
            "--request-timeout", "20",
            "--no-color",
        ],
        capture_output=True,
        cwd=tmp_path,
        text=True,
        timeout=500,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert idle.pod_of("webhook")
