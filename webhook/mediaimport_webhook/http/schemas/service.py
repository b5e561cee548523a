"""Imports under way and failed, as operations people look at them, and the health of the service."""

from __future__ import annotations

from typing import Annotated, Literal

from mediaimport_api.model import Count
from mediaimport_api.status import Phase
from pydantic import Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.schemas.fields import CLOSED, AssetId, Moment


@with_config(CLOSED)
class OperatedImport(TypedDict):
    """Import, as operations people look for it."""

    id: AssetId
    name: str
    user: str
    import_job_id: Annotated[str, Field(description="name of the MediaImport")]
    phase: Phase
    reason: str | None
    created_at: Moment
    source_expires_at: Annotated[Moment | None, Field(description="when the source's URL ends, of one under way")]


@with_config(CLOSED)
class PhaseGroup(TypedDict):
    """Imports of one phase."""

    phase: Phase
    count: Count
    oldest: list[OperatedImport]


@with_config(CLOSED)
class ReasonGroup(TypedDict):
    """Failed imports of one reason."""

    reason: str
    count: Count
    newest: OperatedImport


@with_config(CLOSED)
class Operations(TypedDict):
    """Imports whose MediaImport exists: under way by phase, failed by reason, and sources that end next."""

    namespace: Annotated[str | None, Field(description="of the MediaImports; null unless the caller is an admin")]
    under_way: Annotated[list[PhaseGroup], Field(description="each phase, with up to ten imports")]
    failed: Annotated[list[ReasonGroup], Field(description="the most frequent reason first")]
    expiring: Annotated[list[OperatedImport], Field(description="up to ten, the first to end first")]


@with_config(CLOSED)
class Alive(TypedDict):
    """Liveness."""

    status: Literal["ok"]


@with_config(CLOSED)
class Ready(TypedDict):
    """Readiness: the state of the read cache."""

    synced: bool
    last_event_age_s: float | None
    imports: Count
