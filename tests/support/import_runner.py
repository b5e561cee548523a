"""Import attempts in this process, against a real store and a real prober."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Owner
from mediaimport_api.task import Task
from mediaimport_importer.process import Interruption, outcome
from mediaimport_importer.report import Report
from mediaimport_importer.settings import Settings
from mediaimport_runtime.environment import Environment

from tests.support.loopback.store import BUCKET, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaimport_api.result import Result

    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources


HURRY = 20


def hurried(seconds: float) -> None:
    """Wait HURRY times shorter: what is waited for is on this machine."""
    time.sleep(seconds / HURRY)


@dataclass
class Imports:
    """Runs attempts in this process against the real store and prober."""

    store: Store
    sources: Sources
    prober: RunningProber
    folder: Path
    sleep: Callable[[float], None] = hurried
    """The waits before a source or the store is asked again."""

    def task(  # noqa: PLR0913 - what a test may vary
        self,
        url: str,
        *,
        asset_id: str | None = None,
        name: str = "clip",
        attempt: int = 1,
        run: str = "",
        max_size_bytes: int = 1 << 30,
        deadline_seconds: int = 60,
        **spec: Any,  # noqa: ANN401 - the fields of a spec
    ) -> Task:
        """Return an attempt at importing the URL."""
        return Task.model_validate(
            {
                "owner": Owner(namespace="media", name=name, uid="0d5b1f3e"),
                "asset_id": asset_id or str(uuid4()),
                "spec": {"source": {"url": url}} | spec,
                "run": run,
                "attempt": attempt,
                "max_size_bytes": max_size_bytes,
                "deadline_seconds": deadline_seconds,
            }
        )

    def variables(self, task: Task, **more: str) -> dict[str, str]:
        """Return the environment of an importer with that task."""
        return self.store.variables() | {
            "MEDIAIMPORT_TASK": json.dumps(task.to_wire()),
            "SOURCE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "SOURCE_ALLOWED_PORTS": str(self.sources.port),
            "SCRATCH_DIRECTORY": str(self.prober.scratch),
            "PROBER_SOCKET": str(self.prober.socket),
            "TERMINATION_MESSAGE_PATH": str(self.folder / "termination-log"),
        } | more  # fmt: skip

    def settings(self, task: Task, **more: str) -> Settings:
        """Return those variables as the importer reads them."""
        return Settings.read(Environment(self.variables(task, **more)))

    def run(self, task: Task, **more: str) -> Result:
        """Return how the attempt ends."""
        self.log = io.StringIO()
        return outcome(self.settings(task, **more), Report(self.log), Interruption(), sleep=self.sleep)

    def of(self, url: str, **options: Any) -> Result:  # noqa: ANN401 - those of `task`
        """Return how an import of that URL ends."""
        return self.run(self.task(url, **options))

    def stored(self, task: Task) -> dict[str, int]:
        """Return the names and sizes of what is stored under the task's keys."""
        prefix = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix
        listed = self.store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {each["Key"].removeprefix(prefix): each["Size"] for each in listed}

    def left_over(self) -> list[str]:
        """Return what is unfinished: multipart uploads and scratch files."""
        uploads = self.store.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [each["Key"] for each in uploads] + [each.name for each in self.prober.scratch.glob("attempt-*")]
