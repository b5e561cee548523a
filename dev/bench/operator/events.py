"""`make bench-events`: events that reach an endpoint although the operator is killed and the endpoint goes away.

EVENTS_IMPORTS (1000) imports of a fake node; the operator is killed EVENTS_KILLS (20) times between the POST and the
patch of the status, half of them before the endpoint's answer; then nobody listens for EVENTS_AWAY_S (600) seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dev.bench.figures import Bar, Figure, Sheet
from dev.bench.operator import load
from dev.bench.operator.fixture import prepared
from dev.bench.operator.operator_process import OperatorProcess
from tests.support.kwok.node import fake_node
from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dev.bench.operator.fixture import Fixture

NAMESPACE = "operator-events"
KEY = f"whsec_{b64encode(b'signing key of the benchmark, 32').decode()}"
_STRANGER = Path(__file__).parent / "stranger"
_CAP = 100
_WIDTH = 50
_LAST_TRY_S = 900
"""The longest wait between two tries of an event that is not an hour old."""
_POD_UID = "bench-events"
"""A container that is restarted has its pod's uid, and so its Lease."""


@dataclass
class Receiver:
    """The receiver's process, and the messages that have come: `id`, `event`, `accepted`, `verified`."""

    process: subprocess.Popen[str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    mode: str = ""

    def read(self) -> None:
        """Read what it prints, until its end."""
        assert self.process.stdout is not None  # noqa: S101 - it is piped
        for line in self.process.stdout:
            told = json.loads(line)
            if "mode" in told:
                self.mode = told["mode"]
            else:
                self.messages.append(told)

    def turn(self, mode: str) -> None:
        """Let it `accept`, `hold` its answers, or be `away`."""
        assert self.process.stdin is not None  # noqa: S101 - it is piped
        self.process.stdin.write(f"{mode}\n")
        self.process.stdin.flush()
        wait_until(lambda: self.mode == mode, 60, f"the receiver's mode {mode}")


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """Install and run the receiver."""
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=_STRANGER, check=True)
    variables = os.environ | {"PORT": str(port), "SIGNING_KEY": KEY}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["node", "receiver.mjs"], cwd=_STRANGER, env=variables, text=True, **pipes) as process:
        receiver = Receiver(process)
        threading.Thread(target=receiver.read, daemon=True).start()
        try:
            wait_until(lambda: receiver.mode == "accept", 60, "the receiver")
            yield receiver
        finally:
            process.kill()


def wait_until(holds: Callable[[], bool], limit_s: float, what: str, *, poll_s: float = 0.002) -> None:
    """Wait until a condition holds; TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {limit_s:.0f} s")
        time.sleep(poll_s)


@dataclass
class Run:
    """One run: the cluster, the receiver, and the operator of the moment."""

    fixture: Fixture
    receiver: Receiver
    variables: Mapping[str, str]
    operator: OperatorProcess | None = None

    def start(self) -> None:
        """Start an operator."""
        environment = {**self.fixture.environment, **self.variables}
        self.operator = OperatorProcess.start(
            environment, namespace=NAMESPACE, cap=_CAP, log=self.fixture.log, pod_uid=_POD_UID
        )

    def kill_after_a_post(self, mode: str) -> int:
        """Kill the operator once a message of its own has come; return the number of those that came."""
        self.receiver.turn(mode)
        before = len(self.receiver.messages)
        self.start()
        wait_until(lambda: len(self.receiver.messages) > before, 180, "a message")
        self.end()
        return len(self.receiver.messages) - before

    def end(self) -> None:
        """Kill the operator."""
        if self.operator is not None:
            self.operator.kill()
            self.operator = None

    def imports(self) -> list[dict[str, Any]]:
        """Return all imports."""
        shown = self.fixture.kube.kubectl("get", "mediaimports", "-o", "json", namespace=NAMESPACE)
        items: list[dict[str, Any]] = json.loads(shown)["items"]
        return items

    def await_phase(self, number: int) -> None:
        """Wait until so many imports are Ready."""

        def ready() -> bool:
            phases = [(each.get("status") or {}).get("phase") for each in self.imports()]
            return phases.count("Ready") >= number

        wait_until(ready, 900, f"{number} Ready imports", poll_s=2)

    def await_notified(self, number: int) -> float:
        """Wait until so many imports show that all endpoints have their event; return the seconds."""
        begun = time.monotonic()
        wait_until(lambda: sum(map(is_notified, self.imports())) >= number, _LAST_TRY_S + 300, "the events", poll_s=2)
        return time.monotonic() - begun


def is_notified(item: Mapping[str, Any]) -> bool:
    """Return whether the condition Notified is True."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return ("Notified", "True") in [(each["type"], each["status"]) for each in conditions]


def figures(names: set[str], messages: list[dict[str, Any]], *, imports: int) -> list[Figure]:
    """Return what became of the events of the imports of these names."""
    ids: dict[str, set[str]] = {}
    accepted = set()
    for each in messages:
        name = each["event"]["data"]["import_job_id"]
        ids.setdefault(name, set()).add(each["id"])
        if each["accepted"]:
            accepted.add(name)
    forged = {library: sum(not each["verified"][library] for each in messages) for library in messages[0]["verified"]}
    return [
        Figure("imports", len(names), "", None, Bar(imports, at_most=False)),
        Figure("messages in all", len(messages), ""),
        Figure("doubles", len(messages) - len(ids), ""),
        Figure("events that were lost", len(names - accepted), "", None, Bar(0)),
        Figure("events with more than one id", sum(len(each) > 1 for each in ids.values()), "", None, Bar(0)),
        Figure("ids of more than one event", len(ids) - len(set().union(*ids.values())), "", None, Bar(0)),
        *(Figure(f"messages that {library} refuses", value, "", None, Bar(0)) for library, value in forged.items()),
    ]


def main() -> Sheet:
    """Measure and report."""
    imports, kills = int(os.environ.get("EVENTS_IMPORTS", "1000")), int(os.environ.get("EVENTS_KILLS", "20"))
    away_s = float(os.environ.get("EVENTS_AWAY_S", "600"))
    port = free_port()
    with prepared("events", cap=_CAP) as fixture, ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        (folder / "receiver").mkdir()
        (folder / "receiver" / "current").write_text(KEY)
        variables = {
            "EVENTS_ENDPOINTS": json.dumps([{"name": "receiver", "url": f"http://127.0.0.1:{port}/"}]),
            "EVENTS_KEYS_DIRECTORY": str(folder),
            "EVENTS_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        stack.enter_context(fake_node(fixture.kube, log=fixture.log))
        load.fresh_namespace(fixture.kube, NAMESPACE)
        stack.callback(load.remove_namespace, fixture.kube, NAMESPACE)
        run = Run(fixture, stack.enter_context(receiving(port)), variables)
        stack.callback(run.end)
        # All are told first by an operator that is killed.
        half = imports // 2
        load.run(lambda api: load.create(api, NAMESPACE, range(half)))
        caught = sum(run.kill_after_a_post("hold" if number % 2 else "accept") for number in range(kills))
        run.receiver.turn("accept")
        run.start()
        run.await_notified(half)
        run.receiver.turn("away")
        left = time.monotonic()
        load.run(lambda api: load.create(api, NAMESPACE, range(half, imports)))
        run.await_phase(imports)
        time.sleep(max(away_s - (time.monotonic() - left), 0))
        was_away_s = time.monotonic() - left
        run.receiver.turn("accept")
        late_s = run.await_notified(imports)
        sheet = Sheet("events", width=_WIDTH, form={"imports": imports, "kills": kills, "away_s": away_s})
        sheet.add(
            Figure("operators killed between POST and patch", kills, ""),
            Figure("messages that came between these kills", caught, "", None, Bar(kills, at_most=False)),
            Figure("endpoint away", was_away_s, "s"),
            *figures({each["metadata"]["name"] for each in run.imports()}, run.receiver.messages, imports=imports),
            Figure("last event told after the endpoint's return", late_s, "s", _LAST_TRY_S),
        )
        return sheet
