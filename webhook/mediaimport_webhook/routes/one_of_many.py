"""One item of a request for many: its failure is no failure of the others."""

from __future__ import annotations

import logging

from mediaimport_runtime.kubernetes.errors import UnavailableError
from pydantic import ValidationError

from mediaimport_webhook.catalogue import DatabaseUnavailableError
from mediaimport_webhook.http import problems
from mediaimport_webhook.store import StoreUnavailableError

log = logging.getLogger(__name__)
_PARTIES: dict[type[Exception], str] = {
    UnavailableError: "The API server",
    StoreUnavailableError: "The store",
    DatabaseUnavailableError: "The catalogue's database",
}
FAILURES: tuple[type[Exception], ...] = (ValidationError, problems.Problem, *_PARTIES)


def problem_of(error: Exception) -> problems.Problem:
    """Return the Problem that a request for this item alone had answered to one of FAILURES."""
    if isinstance(error, problems.Problem):
        return error
    if isinstance(error, ValidationError):
        return problems.invalid(problems.field_errors(error))
    party = next(name for kind, name in _PARTIES.items() if isinstance(error, kind))
    log.warning("one of many failed", extra={"party": party, "error": str(error)})
    return problems.unavailable(party)
