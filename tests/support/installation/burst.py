"""Burst of imports, for faults in the middle of it: created at once, observed, and checked at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dev.cluster.kubectl import KubeError
from tests.support.installation.world import TERMINAL, Resource

if TYPE_CHECKING:
    from tests.support.installation.world import World

COLUMNS = (
    "fault",
    "imports",
    "ready",
    "failed",
    "imports by their attempts",
    "most importers of one at once",
    "seconds",
)


@dataclass
class Burst:
    """Many imports at once, all of which must become Ready whatever happens."""

    world: World
    prefix: str
    rows: list[tuple[str, ...]]
    fault: str
    most_importers: int = 0

    def fill(self, count: int, *, spec: Resource | None = None, **scenario: object) -> None:
        """Create `count` imports of one file."""
        self.create(count, {"source": {"url": self.world.file_url(lifetime_seconds=3600, **scenario)}} | (spec or {}))

    def create(self, count: int, spec: Resource) -> None:
        """Create `count` imports with that spec."""
        items = [self.world.manifest(f"{self.prefix}{number:03}", spec) for number in range(count)]
        self.world.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def taken_up(self) -> None:
        """Wait until each has a phase: an operator whose watches are lost sees imports only at its next resync."""
        self.world.wait_until(lambda: "" not in self.phases(), f"a phase of all {self.prefix}", timeout_s=60)

    def resources(self) -> list[Resource]:
        """Return the current resources of this burst."""
        listed = json.loads(self.world.kubectl("get", "mi", "-o", "json"))["items"]
        return [each for each in listed if each["metadata"]["name"].startswith(self.prefix)]

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        try:
            self.resources()
        except KubeError:
            return False
        return True

    def phases(self) -> Counter[str]:
        """Return the number of imports in each phase."""
        return Counter(each.get("status", {}).get("phase", "") for each in self.resources())

    def unfinished(self) -> bool:
        """Tell whether any import is not finished."""
        return not set(self.phases()) <= TERMINAL

    def importers(self) -> list[Resource]:
        """Return the importers' pods of this burst."""
        selector = "app.kubernetes.io/component=importer"
        pods = json.loads(self.world.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [each for each in pods if each["metadata"]["name"].startswith(self.prefix)]

    def observe(self) -> None:
        """Record the most importers that any import has had at the same time."""
        owners = Counter(
            each["metadata"]["labels"]["mediaimport.dev/uid"] for each in self.importers() if _is_running(each)
        )
        self.most_importers = max([self.most_importers, *owners.values()])

    def observe_for(self, seconds: float) -> None:
        """Observe for some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.observe()
            time.sleep(min(0.5, max(deadline - time.monotonic(), 0)))

    def all_ready(self, *, timeout_s: float) -> list[Resource]:
        """Wait until all are finished; check that each is Ready, had one importer at a time and has one asset."""

        def ended() -> bool:
            self.observe()
            return not self.unfinished()

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
        started = min(_moment(each["metadata"]["creationTimestamp"]) for each in resources)
        ended = max(_moment(each["status"]["completedAt"]) for each in resources)
        return (
            self.fault,
            str(len(resources)),
            str(phases["Ready"]),
            str(phases["Failed"]),
            ", ".join(f"{count} with {number}" for number, count in sorted(attempts.items())),
            str(self.most_importers),
            f"{(ended - started).total_seconds():.0f}",
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_running(pod: Resource) -> bool:
    """Tell whether an importer runs or will run, a terminating one too: it may write until it has stopped."""
    statuses = pod["status"].get("containerStatuses", [])
    ended = any("terminated" in each["state"] for each in statuses if each["name"] == "importer")
    return not (ended or pod["status"]["phase"] in {"Succeeded", "Failed"})
