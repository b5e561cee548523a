"""Real Prometheus on this machine, for the length of a `with` block."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.support.loopback.processes import START_TIMEOUT_S, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = shutil.which("prometheus") or "prometheus: apt-get install prometheus"
PROMTOOL = shutil.which("promtool") or "promtool: apt-get install prometheus"


@dataclass(frozen=True)
class Target:
    """Target of a scrape: `http://address` and a path; its series get the labels."""

    address: str
    path: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Prometheus:
    """Client of a running Prometheus."""

    http: httpx.Client

    def targets_up(self) -> int:
        """Return the number of targets that the last scrape reached."""
        active = self._data("/targets")["activeTargets"]
        return sum(each["health"] == "up" for each in active)

    def families(self) -> set[str]:
        """Return the names of the metrics that the targets declare."""
        return {each["metric"] for each in self._data("/targets/metadata")}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression as they are now; ValueError for a bad expression."""
        result: list[dict[str, Any]] = self._data("/query", query=expression)["result"]
        return result

    def fired(self, *, within_s: float) -> set[str]:
        """Return the alerts that have fired in the last seconds."""
        window = f"[{max(1, round(within_s * 1000))}ms]"
        series = self.query(f'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}{window}))')
        return {each["metric"]["alertname"] for each in series}

    def _data(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        answer = self.http.get(path, params=parameters).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]


@contextmanager
def running(folder: Path, targets: list[Target], *, rules: str = "", every: str = "1s") -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the targets and looks at the rules so often; its data lies in the folder."""
    (folder / "rules.yaml").write_text(rules)
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.yaml"] if rules else [],
        "scrape_configs": [_job(number, each) for number, each in enumerate(targets)],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        PROGRAM,
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        serving(command, port=port, log=folder / "prometheus.log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client,
    ):
        # It listens before it has read its data: until then it answers 503.
        deadline = time.monotonic() + START_TIMEOUT_S
        while client.get(f"http://127.0.0.1:{port}/-/ready").status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError("Prometheus did not become ready")
            time.sleep(0.1)
        yield Prometheus(client)


def _job(number: int, target: Target) -> dict[str, Any]:
    configs = [{"targets": [target.address], "labels": target.labels}]
    return {"job_name": f"target-{number}", "metrics_path": target.path, "static_configs": configs}
