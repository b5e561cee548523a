"""Kubernetes Events: one for each change that matters to people, with the condition's reason.

StoreCheck, which reports a store without conditional writes, is here too: an Event is all that comes of it.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.names import API_VERSION, KIND, AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Condition, ConditionType, Phase, Status
from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError
from mediaimport_runtime.kubernetes.events import Regarding, Reporter, event_body
from mediaimport_runtime.text import truncate

from mediaimport_operator.cluster import COMPONENT, Cluster
from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.decide.conditions import MAX_CONDITION_MESSAGE
from mediaimport_operator.decide.status import starting_message

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.operator import Settings

_REPORTER = Reporter(COMPONENT, COMPONENT)
_NO_EVENT = frozenset({Reason.QUEUED, Reason.IMPORTING})
"""Reasons that every import has: only the status shows them."""
_NORMAL_REASONS = frozenset({Reason.STARTING, Reason.DELETING})
_NORMAL_PHASES = frozenset({Phase.READY, Phase.IMPORTING, Phase.SUSPENDED})
_EVENT_LIVES = timedelta(hours=1)
"""The API server's default."""

log = logging.getLogger(__name__)


def status_event(resource: Resource, status: Status, *, now: datetime) -> Object | None:
    """Return the Event of a change to that status; None if its reason is the same, or needs no Event."""
    before, after = resource.status.condition(ConditionType.READY), status.condition(ConditionType.READY)
    if after is None or after.reason in _NO_EVENT or (before is not None and before.reason == after.reason):
        return None
    return None if _only_starts(status, after) else _status_event(resource, status, after, now=now)


def notification_event(resource: Resource, status: Status, *, now: datetime) -> Object | None:
    """Return the Event of endpoints that are given up; None if the status says nothing new of that."""
    before, after = resource.status.condition(ConditionType.NOTIFIED), status.condition(ConditionType.NOTIFIED)
    given_up = Reason.NOTIFICATION_GIVEN_UP
    if after is None or after.reason != given_up or (before is not None and before.reason == given_up):
        return None
    return _warning(resource, given_up, after.message, now=now)


def _only_starts(status: Status, shown: Condition) -> bool:
    """Return whether a status says of an attempt only that it starts, as the Events of its Job and pod do."""
    number = status.tally.started if status.tally else 0
    # The next one is recorded once it has its Job.
    return shown.reason == Reason.STARTING and shown.message in {
        starting_message(each) for each in (number, number + 1)
    }


def _status_event(resource: Resource, status: Status, condition: Condition, *, now: datetime) -> Object:
    normal = status.phase in _NORMAL_PHASES or condition.reason in _NORMAL_REASONS
    name = _name(resource, status, condition.reason)
    return _object(resource, name, warning=not normal, reason=condition.reason, message=condition.message, now=now)


def objects_orphaned(resource: Resource, cause: str, *, now: datetime) -> Object:
    """Return the Event of a resource that is deleted while its stored objects stay."""
    prefix = AssetKeys(user_id=resource.user_id, asset_id=resource.asset_id).prefix
    message = truncate(f"the objects under {prefix} could not be deleted and stay: {cause}", MAX_CONDITION_MESSAGE)
    return _warning(resource, Reason.STORED_OBJECTS_ORPHANED, message, now=now)


def store_overwrites(resource: Resource, *, now: datetime) -> Object:
    """Return the Event of an import that found the store without conditional writes."""
    facts = Reason.STORE_OVERWRITES.facts
    return _warning(resource, Reason.STORE_OVERWRITES, f"{facts.sentence} {facts.remedy}", now=now)


def given_up(item: Object, message: str, *, now: datetime) -> Object:
    """Return the Event of an import that is given up; from the raw object, which may be what cannot be read."""
    meta = item["metadata"]
    about = Regarding(API_VERSION, KIND, meta["namespace"], meta["name"], meta["uid"], meta.get("resourceVersion", ""))
    reason = Reason.OPERATOR_FAILED
    return event_body(about, reporter=_REPORTER, warning=True, reason=reason, message=message, now=now)


def namespace_unavailable(settings: Settings, namespace: str, cause: str, *, now: datetime) -> Object:
    """Return the Event about a watched namespace that refuses its list. It is about the operator's own pod."""
    about = Regarding("v1", "Pod", settings.operator_namespace, settings.pod_name, settings.pod_uid)
    facts = Reason.NAMESPACE_UNAVAILABLE.facts
    message = truncate(f"{namespace}: {cause}. {facts.remedy}", MAX_CONDITION_MESSAGE)
    return event_body(
        about, reporter=_REPORTER, warning=True, reason=Reason.NAMESPACE_UNAVAILABLE, message=message, now=now
    )


def _warning(resource: Resource, reason: Reason, message: str, *, now: datetime) -> Object:
    name = _name(resource, resource.status, reason)
    return _object(resource, name, warning=True, reason=reason, message=message, now=now)


def _object(  # noqa: PLR0913 - an Event has as many parts
    resource: Resource, name: str, *, warning: bool, reason: str, message: str, now: datetime
) -> Object:
    about = Regarding(
        API_VERSION, KIND, resource.namespace, resource.name, resource.uid, resource_version=resource.version
    )
    return event_body(about, reporter=_REPORTER, warning=warning, reason=reason, message=message, now=now, name=name)


def _name(resource: Resource, status: Status, reason: str) -> str:
    """Return a name that is the same for the same change, so that a repeated reconcile creates one Event."""
    started = status.tally.started if status.tally else 0
    same = "\0".join((resource.uid, resource.run, str(started), str(resource.generation), reason))
    return f"{resource.name[:236]}.{hashlib.sha256(same.encode()).hexdigest()[:16]}"


async def post(cluster: Cluster, namespace: str, event: Object) -> None:
    """Create an Event; a failure is logged and never raised."""
    try:
        await cluster.create_event(namespace, event)
    except ConflictError:
        return
    except KubernetesError as error:
        log.info("event not created", extra={"reason": event["reason"], "error": str(error)})


class StoreCheck:
    """The check whether the store honours conditional writes.

    The operator has no keys of the store: importers check it until one succeeds. A store that does not is reported
    once an hour for each namespace, as long as an Event lives, and not for each of its imports.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._told: dict[str, datetime] = {}
        self.needed = True

    async def read_result(self, observed: Observed) -> None:
        """Read the check's outcome from the result of an attempt that has just ended."""
        unread = observed.resource.spec is not None and observed.resource.status.phase is not Phase.READY
        state = observed.history.state if unread else None
        result = state.result if isinstance(state, Ended) else None
        if result is None or result.conditional_writes is None:
            return
        self.needed = not result.conditional_writes
        owner, facts, now = observed.resource, Reason.STORE_OVERWRITES.facts, observed.now
        last = self._told.get(owner.namespace)
        if self.needed and (last is None or now - last >= _EVENT_LIVES):
            self._told[owner.namespace] = now
            log.error(facts.sentence, extra={"import": owner.name, "remedy": facts.remedy})
            await post(self._cluster, owner.namespace, store_overwrites(owner, now=now))
