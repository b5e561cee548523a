from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from world import TERMINAL, Resource, World

from dev.kube import KubeError

if TYPE_CHECKING:
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that stands here: it takes minutes, and some of it breaks the cluster for everyone."""
    here = str(__file__).rpartition("/")[0]
    for item in items:
        path: Path = item.path
        if str(path).startswith(here):
            item.add_marker("faults")


@dataclass
class Burst:
    """Many imports at once, and how they must end whatever happens."""

    world: World
    prefix: str
    most_importers: int = 0

    def fill(self, count: int, **scenario: object) -> None:
        """Create so many imports of one file, as fast as kubectl can."""
        url = self.world.file_url(lifetime_seconds=3600, **scenario)
        items = [self.world.manifest(f"{self.prefix}{number:03}", {"source": {"url": url}}) for number in range(count)]
        self.world.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def resources(self) -> list[Resource]:
        """Return them all as they are now."""
        listed = json.loads(self.world.kubectl("get", "mi", "-o", "json"))["items"]
        return [each for each in listed if each["metadata"]["name"].startswith(self.prefix)]

    def answers(self) -> bool:
        """Tell whether the API server can be asked."""
        try:
            self.resources()
        except KubeError:
            return False
        return True

    def phases(self) -> Counter[str]:
        """Return how many are in each phase."""
        return Counter(each.get("status", {}).get("phase", "") for each in self.resources())

    def look(self) -> None:
        """Remember the most importers that any import has had at work at once."""
        selector = "app.kubernetes.io/component=importer"
        pods = json.loads(self.world.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        owners = Counter(each["metadata"]["labels"]["mediaimport.dev/uid"] for each in pods if _at_work(each))
        self.most_importers = max([self.most_importers, *owners.values()])

    def watch(self, seconds: float) -> None:
        """Look for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(min(0.5, max(deadline - time.monotonic(), 0)))

    def all_ready(self, *, timeout_s: float) -> list[Resource]:
        """Wait until all have ended; check that each is Ready, had one importer at a time and left one asset."""

        def ended() -> bool:
            self.look()
            return set(self.phases()) <= TERMINAL

        self.world.wait_until(ended, f"the end of all {self.prefix}", timeout_s=timeout_s)
        resources = self.resources()
        failures = [each["status"].get("error") for each in resources if each["status"]["phase"] != "Ready"]
        assert failures == []
        assert self.most_importers <= 1
        for each in resources:
            objects = self.world.objects(f"media/default/{each['status']['asset']['id']}/")
            assert len(objects) == 3, each["metadata"]["name"]
        return resources


def _at_work(pod: Resource) -> bool:
    """Tell whether an importer runs, or will: its Job is told of its end only seconds later."""
    statuses = pod["status"].get("containerStatuses", [])
    ended = any("terminated" in each["state"] for each in statuses if each["name"] == "importer")
    return not (ended or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in {"Succeeded", "Failed"})


@pytest.fixture
def burst(world: World) -> Burst:
    """No imports yet; `fill` makes them."""
    return Burst(world, f"burst-{secrets.token_hex(3)}-")
