"""Id of the request that is answered now, for what writes answers and logs."""

from __future__ import annotations

from mediaimport_runtime.logs import CONTEXT

HEADER = "X-Request-Id"
FIELD = "request_id"
"""Of problems and log lines."""


def current() -> str | None:
    """Return the id of the request that is answered now, None outside of one."""
    return CONTEXT.get().get(FIELD)
