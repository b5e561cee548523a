"""Query of a list: filters, page size and cursor. Pure."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args

from mediaimport_api.status import Kind

from mediaimport_webhook.http import problems, schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Order

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
_MAX_CURSOR = 1024
_FILTERS: Mapping[str, frozenset[str] | None] = {
    "status": frozenset(get_args(schemas.AssetStatus)),
    "type": frozenset(each.value for each in Kind),
    "tag": None,
    "job_id": None,
    "user": None,
}
_PARAMETERS = {*_FILTERS, "limit", "cursor"}


@dataclass(frozen=True)
class Query:
    """Filters and place of a page; None is no filter."""

    limit: int = _DEFAULT_LIMIT
    after: Order | None = None
    status: str | None = None
    type: str | None = None
    tag: str | None = None
    job_id: str | None = None
    user: str | None = None

    def matches(self, entry: Entry) -> bool:
        """Return whether an entry passes all filters. A job is a prediction, or an import by its resource's name."""
        return (
            self.status in {None, entry.status}
            and self.type in {None, entry.json["type"]}
            and (self.tag is None or self.tag in entry.tags)
            and (self.job_id is None or self.job_id in {entry.job_id, entry.resource_name})
        )


def parse_query(parameters: Iterable[tuple[str, str]]) -> Query:
    """Return the query; a 422 Problem names every wrong parameter."""
    given = list(parameters)
    names = [name for name, _ in given]
    errors = [
        problems.FieldError(f"?{name}", "is not a parameter of this route") for name in names if name not in _PARAMETERS
    ]
    errors += [problems.FieldError(f"?{name}", "is given twice") for name in _PARAMETERS if names.count(name) > 1]
    values = dict(given)
    for name, allowed in _FILTERS.items():
        if allowed is not None and name in values and values[name] not in allowed:
            errors.append(problems.FieldError(f"?{name}", f"must be one of {', '.join(sorted(allowed))}"))
    limit = values.get("limit", str(_DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= _MAX_LIMIT):  # noqa: PLR2004 - digits of the maximum
        errors.append(problems.FieldError("?limit", f"must be a whole number from 1 to {_MAX_LIMIT}"))
    if errors:
        raise problems.invalid(errors)
    after = decode_cursor(values["cursor"]) if "cursor" in values else None
    return Query(limit=int(limit), after=after, **{name: values.get(name) for name in _FILTERS})


def encode_cursor(order: Order) -> str:
    """Return a place in the list as opaque text that is safe in a URL."""
    return base64.urlsafe_b64encode(json.dumps(order, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Order:
    """Return the place; a 400 Problem for any other text."""
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError  # noqa: TRY301 - one refusal for all
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        created_at, asset_id, name = parts
        if not all(isinstance(each, str) for each in parts):
            raise ValueError  # noqa: TRY301 - one refusal for all
    except (ValueError, TypeError, RecursionError):
        detail = "The cursor is not from this service; start without one."
        raise problems.Problem(
            HTTPStatus.BAD_REQUEST, "invalid-cursor", detail, [problems.FieldError("?cursor", detail)]
        ) from None
    return created_at, asset_id, name
