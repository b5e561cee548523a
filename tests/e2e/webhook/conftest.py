"""Fixtures of the webhook's end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.finishing_operator import finishing_operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import World


@pytest.fixture
def idle(world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """World whose operator is replaced: generated imports end at once, and nothing is downloaded."""
    before = world.names()
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    world.scale("operator", 0)
    with finishing_operator(world.namespace):
        yield world
    for name in world.names() - before:
        world.kubectl("delete", "mi", name, "--wait=false")
    world.scale("operator", 1)
