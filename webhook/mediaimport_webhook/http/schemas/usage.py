"""Counts and bytes of stored assets."""

from __future__ import annotations

from typing import Annotated

from mediaimport_api.model import Count
from pydantic import Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.schemas.fields import CLOSED, AssetId, Moment


@with_config(CLOSED)
class StatusCounts(TypedDict):
    """Assets by status."""

    uploading: Count
    ready: Count
    failed: Count


@with_config(CLOSED)
class FailedImport(TypedDict):
    """Failed import."""

    id: AssetId
    name: str
    reason: str | None
    error: str | None
    created_at: Moment


@with_config(CLOSED)
class Stats(TypedDict):
    """Counts and bytes of all assets that the caller sees."""

    total: Count
    by_status: StatusCounts
    by_type: dict[str, Count]
    stored_bytes: Count
    recent_failures: list[FailedImport]


@with_config(CLOSED)
class UsageAmount(TypedDict):
    """A number of stored assets and their bytes."""

    assets: Count
    bytes: Count


@with_config(CLOSED)
class MonthlyUsage(TypedDict):
    """Stored assets of one month, by their creation in UTC."""

    month: Annotated[str, Field(examples=["2026-01"])]
    assets: Count
    bytes: Count


@with_config(CLOSED)
class Usage(TypedDict):
    """Stored assets, without thumbnails and sidecars."""

    user: Annotated[str | None, Field(description="null for everybody")]
    total: UsageAmount
    quota_bytes: Annotated[Count | None, Field(description="bytes that one user may have; null for no limit")]
    months: Annotated[list[MonthlyUsage], Field(description="the oldest first; months without assets are left out")]
    duplicates: Annotated[UsageAmount, Field(description="assets whose bytes another one has, too: one copy is none")]
