"""Kubernetes Events: one for each change that a person may want to know of, its reason that of the condition."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import ConditionType, Phase
from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError
from mediaimport_runtime.kubernetes.events import Regarding, Reporter, event_body
from mediaimport_runtime.text import truncate

from mediaimport_operator.cluster import COMPONENT
from mediaimport_operator.decide.conditions import MAX_CONDITION_MESSAGE

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Condition, Status
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.observe.resource import Resource

_REPORTER = Reporter(COMPONENT, COMPONENT)
_SILENT = frozenset({Reason.QUEUED, Reason.IMPORTING})
"""Too many to tell: the status does."""
_HARMLESS = frozenset({Reason.STARTING, Reason.DELETING})
_NORMAL = frozenset({Phase.READY, Phase.IMPORTING, Phase.SUSPENDED})

log = logging.getLogger(__name__)


def event(resource: Resource, status: Status, *, now: datetime) -> Object | None:
    """Return the Event of a change to that status; None if nothing changed that it would tell."""
    before, after = resource.status.condition(ConditionType.READY), status.condition(ConditionType.READY)
    if after is None or after.reason in _SILENT or (before is not None and before.reason == after.reason):
        return None
    return _event(resource, status, after, now=now)


def objects_left(resource: Resource, cause: str, *, now: datetime) -> Object:
    """Return the Event of a resource that goes while its stored objects stay."""
    prefix = AssetKeys(user_id=resource.claim.user, asset_id=resource.asset_id).prefix
    message = truncate(f"the objects under {prefix} could not be deleted and stay: {cause}", MAX_CONDITION_MESSAGE)
    name = _name(resource, resource.status, Reason.STORED_OBJECTS_LEFT)
    return _object(resource, name, quiet=False, reason=Reason.STORED_OBJECTS_LEFT, message=message, now=now)


def store_overwrites(resource: Resource, *, now: datetime) -> Object:
    """Return the Event of an import that found the store without conditional writes."""
    reason = Reason.STORE_OVERWRITES
    message = f"{reason.facts.sentence} {reason.facts.remedy}"
    name = _name(resource, resource.status, reason)
    return _object(resource, name, quiet=False, reason=reason, message=message, now=now)


def _event(resource: Resource, status: Status, condition: Condition, *, now: datetime) -> Object:
    quiet = status.phase in _NORMAL or condition.reason in _HARMLESS
    name = _name(resource, status, condition.reason)
    return _object(resource, name, quiet=quiet, reason=condition.reason, message=condition.message, now=now)


def _object(  # noqa: PLR0913  an Event has as many parts
    resource: Resource, name: str, *, quiet: bool, reason: str, message: str, now: datetime
) -> Object:
    about = Regarding(
        names.API_VERSION,
        names.KIND,
        resource.namespace,
        resource.name,
        resource.uid,
        resource_version=resource.version,
    )
    return event_body(about, reporter=_REPORTER, warning=not quiet, reason=reason, message=message, now=now, name=name)


def _name(resource: Resource, status: Status, reason: str) -> str:
    """Return a name that is the same for the same change, so that a repeated pass tells it once."""
    started = status.tally.started if status.tally else 0
    same = "\0".join((resource.uid, resource.run, str(started), str(resource.generation), reason))
    return f"{resource.name[:236]}.{hashlib.sha256(same.encode()).hexdigest()[:16]}"


async def post(cluster: Cluster, namespace: str, told: Object) -> None:
    """Post an Event; that it cannot be posted is no reason to stop."""
    try:
        await cluster.create_event(namespace, told)
    except ConflictError:
        return
    except KubernetesError as error:
        log.info("event not posted", extra={"reason": told["reason"], "error": str(error)})
