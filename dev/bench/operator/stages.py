"""Stages of an import, from the callback to Ready: what the API server shows of it, and what its importer logs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from kubernetes import client
from mediaimport_api import names
from mediaimport_api.task import IMPORTER_CONTAINER

from dev.bench.figures import Figure, percentile
from dev.bench.webhook.first_seen import Sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dev.bench.webhook.first_seen import Object

_TIMEOUT_S = 60.0
_STORED = "the stored asset"
_END = "the importer's end, reported"
_LOGGED: dict[str | None, str] = {
    "connect": "the loaded importer",
    "probe": "the end of the download",
    "commit": "description and thumbnail",
}
"""Stages that begin these steps of the importer's log."""


def _is_sandboxed(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any((each["type"], each["status"]) == ("PodReadyToStartContainers", "True") for each in conditions)


def _has(pod: Object, statuses: str, state: str) -> bool:
    return any(state in each.get("state", {}) for each in pod.get("status", {}).get(statuses) or [])


POD_STAGES: Mapping[str, Callable[[Object], bool]] = {
    "the pod": lambda _: True,
    "the pod's node": lambda pod: bool(pod["spec"].get("nodeName")),
    "the pod's network": _is_sandboxed,
    "the running prober": lambda pod: _has(pod, "initContainerStatuses", "running"),
    "the running importer": lambda pod: _has(pod, "containerStatuses", "running"),
    _END: lambda pod: _has(pod, "containerStatuses", "terminated"),
}
"""Stages that a pod's status shows, as the kubelet reports it: up to a second after they are reached."""


def uid_of(pod: Object, reached: Callable[[Object], bool]) -> str | None:
    """Return the uid of a pod's import if the pod has reached that stage."""
    uid = (pod["metadata"].get("labels") or {}).get(names.LABEL_UID)
    return uid if uid and reached(pod) else None


def log_times(log: str) -> dict[str, datetime]:
    """Return when the importer reached the stages that its log shows."""
    times: dict[str, datetime] = {}
    for line in log.splitlines():
        said = json.loads(line)
        step, at = (said.get("progress") or {}).get("step"), datetime.fromisoformat(said["ts"])
        stage = _STORED if said.get("reason") else _LOGGED.get(step)
        if stage is not None:
            times.setdefault(stage, at)
    return times


@dataclass(frozen=True)
class Stages:
    """Watches of the pods of a namespace, one for each stage."""

    namespace: str
    pods: Mapping[str, Sightings]

    @classmethod
    def follow(cls, namespace: str) -> Stages:
        """Begin to watch."""

        def followed(name_of: Callable[[Object], str | None]) -> Sightings:
            made = Sightings(client.CoreV1Api().list_namespaced_pod, {"namespace": namespace}, name_of)
            made.follow()
            return made

        return cls(namespace, {name: followed(partial(uid_of, reached=each)) for name, each in POD_STAGES.items()})

    def of(self, name: str, *, begun_s: float) -> dict[str, float]:
        """Return the seconds from that monotonic time to each stage of an import that is Ready.

        A stage that the kubelet has not reported, since the next one was reached before, is left out.
        """
        api: Any = client.CustomObjectsApi()
        item = api.get_namespaced_custom_object(names.GROUP, names.VERSION, self.namespace, names.PLURAL, name)
        uid = item["metadata"]["uid"]
        self.pods[_END].await_name(uid, timeout_s=_TIMEOUT_S)
        shown = {stage: seen.seen[uid] - begun_s for stage, seen in self.pods.items() if uid in seen.seen}
        offset_s = time.time() - time.monotonic()
        return shown | {stage: at.timestamp() - offset_s - begun_s for stage, at in log_times(self._log(uid)).items()}

    def _log(self, uid: str) -> str:
        api: Any = client.CoreV1Api()
        (pod,) = api.list_namespaced_pod(self.namespace, label_selector=f"{names.LABEL_UID}={uid}").items
        return str(api.read_namespaced_pod_log(pod.metadata.name, self.namespace, container=IMPORTER_CONTAINER))


def medians(imports: Iterable[Mapping[str, float]]) -> list[Figure]:
    """Return the median time to each stage, in the order of the stages."""
    times: dict[str, list[float]] = {}
    for each in imports:
        for name, at_s in each.items():
            times.setdefault(name, []).append(at_s)
    found = sorted((percentile(values, 50), name) for name, values in times.items())
    return [Figure(f"webhook to {name}, p50", at_s, "s") for at_s, name in found]
