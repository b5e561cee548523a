"""Visibility of a generator's output: its CDN may answer 404 or 403 in the first seconds, or minutes. Pure."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import AttemptError, UnavailableError

if TYPE_CHECKING:
    from datetime import datetime

YOUNG = timedelta(minutes=10)
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits of one attempt for the output of a generator; another attempt follows."""
SHORT_WAITS_S = WAITS_S[:2]
"""Waits for a source of which nobody says that a generator made it."""
RETRY_AFTER_S = 30
_STATUSES = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})


def waits_s(
    *, expires_at: datetime | None, is_output: bool, created_at: datetime | None, now: datetime
) -> tuple[float, ...]:
    """Return the waits before a source that is not found is asked again; none for one that is not young.

    `is_output`: somebody says that a generator made it. `created_at`: of the resource, which a generator's callback
    creates at once; None is now.
    """
    expired = expires_at is not None and expires_at <= now
    if expired or (created_at is not None and now - created_at >= YOUNG):
        return ()
    return WAITS_S if is_output else SHORT_WAITS_S


def may_appear(refused: AttemptError) -> bool:
    """Tell whether a refusal is one that ends when the media becomes visible."""
    return refused.http_status in _STATUSES


def not_visible_yet(refused: AttemptError) -> UnavailableError:
    """Return the failure of an attempt that has waited: another one asks again."""
    return UnavailableError(
        Reason.SOURCE_UNAVAILABLE,
        f"{refused}; the generator has just made it, so it may not be visible yet",
        http_status=refused.http_status,
        retry_after_s=RETRY_AFTER_S,
    )
