"""Kubelet or API server stopped for a minute in the middle of many imports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dev.cluster import control, exports
from dev.cluster.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.installation.burst import Burst
    from tests.support.installation.world import Resource, World

STOPPED_S = 60


@pytest.fixture
def stop_for_a_minute(environment: dict[str, str]) -> Iterator[Callable[[str], None]]:
    """Function that stops a process of the node for a minute; it runs again whatever happens."""
    if exports.is_foreign(environment, Cache.of(environment)):
        pytest.skip("the node of a cluster that KUBECONFIG names must not be broken")
    stopped: list[str] = []

    def stop(name: str) -> None:
        stopped.append(name)
        control.stop(name)
        time.sleep(STOPPED_S)
        control.start(name)

    yield stop
    for name in stopped:
        control.start(name)


@pytest.fixture(scope="module")
def source(world: World) -> Resource:
    """Source requested before anything is stopped, since no forwarded port survives that."""
    return {"source": {"url": world.file_url(lifetime_seconds=3600, size_bytes=2_000_000, bytes_per_second=500_000)}}


@pytest.mark.parametrize("process", ["kubelet", "apiserver"])
def test_process_is_stopped_for_a_minute(
    burst: Burst, source: Resource, stop_for_a_minute: Callable[[str], None], process: str
) -> None:
    burst.create(20, source)
    burst.observe_for(3)
    stop_for_a_minute(process)
    burst.world.wait_until(burst.answers, "an answer of the API server", timeout_s=60)
    burst.all_ready(timeout_s=300)
