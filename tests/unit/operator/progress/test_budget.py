from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.progress.budget import MAX_WRITES_PER_S, WriteBudget
from mediaimport_operator.progress.log_follower import LogFollowers

from tests.support.operator_fakes import FakeCluster, as_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_budget_allows_a_second_at_once_and_then_its_rate() -> None:
    budget = WriteBudget(per_s=10)
    assert sum(budget.take(100.0) for _ in range(100)) == 10
    assert sum(budget.take(100.0 + tick / 1000) for tick in range(1, 3001)) == pytest.approx(30, abs=1)


class Talkative(FakeCluster):
    """Each importer logs its progress twenty times within a second."""

    async def follow_log(self, namespace: str, pod: str, *, container: str) -> AsyncIterator[bytes]:
        assert (namespace, container) == ("media", "importer")
        for seq in range(20):
            progress = {"step": "download", "percent": seq}
            line = {"ts": "2030-01-01T12:00:00Z", "level": "info", "msg": pod, "seq": seq, "progress": progress}
            yield json.dumps(line).encode() + b"\n"
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()


@pytest.mark.anyio
async def test_progress_of_many_imports_stays_within_the_budget_of_all() -> None:
    reported: list[str] = []
    followers = LogFollowers(as_cluster(Talkative()), on_progress=reported.append, on_step=lambda *_: None)
    for number in range(100):
        followers.follow(f"uid-{number}", namespace="media", pod=f"pod-{number}")
    await asyncio.sleep(0.9)
    await followers.close()
    assert MAX_WRITES_PER_S <= len(reported) <= 2 * MAX_WRITES_PER_S
    assert len(set(reported)) == len(reported), "each import once in two seconds"
