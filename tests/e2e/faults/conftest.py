from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.cluster.kubectl import KubeError
from tests.support.world import TERMINAL, Resource, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.helm import Values

TABLE = Path(__file__).resolve().parents[3] / "build" / "faults.md"
HEADER = (
    "fault",
    "imports",
    "ready",
    "failed",
    "imports by their attempts",
    "most importers of one at once",
    "seconds",
)
_ROWS = pytest.StashKey[list[tuple[str, ...]]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that stands here: it takes minutes, and some of it breaks the cluster for everyone."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("faults")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table of faults, and leave it in a file."""
    if not config.stash[_ROWS]:
        return
    rows = [HEADER, tuple("---" for _ in HEADER), *config.stash[_ROWS]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n")
    terminalreporter.section("faults")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def values() -> Values:
    """What the chart says: that is what has to bear the faults."""
    return {}


@dataclass
class Burst:
    """Many imports at once, and how they must end whatever happens."""

    world: World
    prefix: str
    rows: list[tuple[str, ...]]
    fault: str
    most_importers: int = 0

    def fill(self, count: int, *, spec: Resource | None = None, **scenario: object) -> None:
        """Create so many imports of one file, as fast as kubectl can."""
        self.create(count, {"source": {"url": self.world.file_url(lifetime_seconds=3600, **scenario)}} | (spec or {}))

    def create(self, count: int, spec: Resource) -> None:
        """Create so many imports with that spec."""
        items = [self.world.manifest(f"{self.prefix}{number:03}", spec) for number in range(count)]
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

    def under_way(self) -> bool:
        """Tell whether any has not ended."""
        return not set(self.phases()) <= TERMINAL

    def importers(self) -> list[Resource]:
        """Return the importers' pods of this burst."""
        selector = "app.kubernetes.io/component=importer"
        pods = json.loads(self.world.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [each for each in pods if each["metadata"]["name"].startswith(self.prefix)]

    def look(self) -> None:
        """Remember the most importers that any import has had at work at once."""
        owners = Counter(
            each["metadata"]["labels"]["mediaimport.dev/uid"] for each in self.importers() if _at_work(each)
        )
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
            return not self.under_way()

        self.world.wait_until(ended, f"the end of all {self.prefix}", timeout_s=timeout_s)
        resources = self.resources()
        self.rows.append(self._row(resources))
        failures = [each["status"].get("error") for each in resources if each["status"]["phase"] != "Ready"]
        assert failures == []
        assert self.most_importers <= 1
        for each in resources:
            objects = self.world.objects(f"media/default/{each['status']['asset']['id']}/")
            assert len(objects) == 3, each["metadata"]["name"]
        return resources

    def _row(self, resources: list[Resource]) -> tuple[str, ...]:
        phases = Counter(each["status"]["phase"] for each in resources)
        attempts = Counter(each["status"]["tally"]["started"] for each in resources)
        begun = min(_moment(each["metadata"]["creationTimestamp"]) for each in resources)
        ended = max(_moment(each["status"]["completedAt"]) for each in resources)
        return (
            self.fault,
            str(len(resources)),
            str(phases["Ready"]),
            str(phases["Failed"]),
            ", ".join(f"{count} with {number}" for number, count in sorted(attempts.items())),
            str(self.most_importers),
            f"{(ended - begun).total_seconds():.0f}",
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _at_work(pod: Resource) -> bool:
    """Tell whether an importer runs, or will: its Job is told of its end only seconds later."""
    statuses = pod["status"].get("containerStatuses", [])
    ended = any("terminated" in each["state"] for each in statuses if each["name"] == "importer")
    return not (ended or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in {"Succeeded", "Failed"})


@pytest.fixture
def burst(world: World, request: pytest.FixtureRequest) -> Iterator[Burst]:
    """No imports yet; `fill` makes them. What has not ended with the test is removed: the next one needs the slots."""
    fault = request.node.name.removeprefix("test_").replace("_", " ")
    made = Burst(world, f"burst-{secrets.token_hex(3)}-", request.config.stash[_ROWS], fault)
    yield made
    names = [each["metadata"]["name"] for each in made.resources()]
    if names:
        world.kubectl("delete", "mi", *names, "--wait=false")
