"""The body of a Kubernetes Event (core/v1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

MAX_MESSAGE = 1024
"""Characters: the API server refuses longer ones."""


@dataclass(frozen=True)
class Regarding:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""


@dataclass(frozen=True)
class Reporter:
    """The component that reports, `mediaimport-operator`, and its instance (a pod's name)."""

    component: str
    instance: str


def event_body(  # noqa: PLR0913 - an Event has as many parts
    regarding: Regarding,
    *,
    reporter: Reporter,
    warning: bool,
    reason: str,
    message: str,
    now: datetime,
    name: str = "",
) -> Object:
    """Return the Event, in the namespace of its object. With a `name`, a repeated create is refused as existing."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    named = {"name": name} if name else {"generateName": f"{regarding.name[:236]}."}
    about = {
        "apiVersion": regarding.api_version,
        "kind": regarding.kind,
        "namespace": regarding.namespace,
        "name": regarding.name,
        "uid": regarding.uid,
    }
    if regarding.resource_version:
        about["resourceVersion"] = regarding.resource_version
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {**named, "namespace": regarding.namespace},
        "involvedObject": about,
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": public(message, MAX_MESSAGE),
        "source": {"component": reporter.component},
        "reportingComponent": reporter.component,
        "reportingInstance": reporter.instance,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
