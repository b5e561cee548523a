"""Imports in the middle of a run: attempts that have started or failed, built with the plan itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.status import ConditionType, Status
from mediaimport_operator.decide.plan import plan

if TYPE_CHECKING:
    from mediaimport_operator.decide.actions import Plan
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def status_of(planned: Plan) -> Status:
    assert planned.status is not None
    return Status.model_validate(planned.status.to_wire())


def ready_reason(planned: Plan) -> str:
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    return condition.reason


def started(build: Build, number: int = 1, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    """A resource whose attempt of that number has just been started."""
    item = build.mediaimport(**spec)
    for attempt in range(1, number + 1):
        item = build.after(plan(build.observed(item)), **spec)
        if attempt < number:
            item = build.after(plan(failing(build, item, attempt)), **spec)
            item["status"].pop("nextAttemptAt")
    return item


def failing(
    build: Build,
    item: Object,
    attempt: int,
    reason: Reason = Reason.SOURCE_UNAVAILABLE,
    **more: Any,  # noqa: ANN401 - any field
) -> Observed:
    code = reason.facts.exit_code
    assert code is not None
    message = build.failure(reason, **more).encode()
    return build.observed(
        item, jobs=[build.job(attempt)], pods=[build.ended_pod(attempt, exit_code=code, message=message)]
    )


def failed_often(build: Build, reason: Reason, *, times: int, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    """An import whose attempts have all failed so, the next of which has just started."""
    item = build.mediaimport(**spec)
    for attempt in range(1, times + 1):
        item = build.after(plan(build.observed(item)), **spec)
        item = build.after(plan(failing(build, item, attempt, reason)), **spec)
        item["status"].pop("nextAttemptAt")
    return build.after(plan(build.observed(item)), **spec)
