"""Query of a list: filters, order, page size and cursor. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, get_args
from uuid import UUID

from mediaimport_api.model import SHA256_PATTERN
from mediaimport_api.status import Kind

from mediaimport_webhook.catalogue import words
from mediaimport_webhook.http import problems, schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mediaimport_webhook.catalogue.entry import Entry

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
MAX_IDS = 100
_MAX_CURSOR = 2048
_MAX_BYTES = 2**63 - 1
_SHA256 = re.compile(SHA256_PATTERN[1:-1])
Place = tuple[int | str, ...]
"""Place of an asset in an order; no two assets share it."""


class Sort(StrEnum):
    """Order of a list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"

    @property
    def by_size(self) -> bool:
        """Return whether the size in bytes comes before the time."""
        return self in {Sort.LARGEST, Sort.SMALLEST}

    @property
    def descending(self) -> bool:
        """Return whether the greatest comes first."""
        return self in {Sort.NEWEST, Sort.LARGEST}


@dataclass(frozen=True)
class Query:
    """Filters, order and place of a page; None is no filter, and `ids` and `words` of nothing are none."""

    limit: int = _DEFAULT_LIMIT
    after: Place | None = None
    sort: Sort = Sort.NEWEST
    status: str | None = None
    type: str | None = None
    tag: str | None = None
    job_id: str | None = None
    provider: str | None = None
    model: str | None = None
    sha256: str | None = None
    created_after: str | None = None
    """The first second, as resources have it."""
    created_before: str | None = None
    """The second after the last."""
    ids: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    """Beginnings of words that the asset has to have, all of them."""
    user: str | None = None
    bound_to: str = ""
    """Digest of caller, filters and order, for which alone a cursor holds."""

    def filtered(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Return those that pass all filters but `words`."""
        return filter(self.matches, entries) if self._has_filters else entries

    @property
    def _has_filters(self) -> bool:
        """Whatever is neither order, page nor `words` counts as a filter, so that `filtered` passes over none."""
        unfiltered = Query(self.limit, self.after, self.sort, words=self.words, user=self.user, bound_to=self.bound_to)
        return self != unfiltered

    def matches(self, entry: Entry) -> bool:
        """Return whether an entry passes all filters but `words`, for which the database is asked.

        A job is a prediction, or an import by its resource's name.
        """
        return (
            (self.status is None or self.status == entry.status)
            and (self.type is None or self.type == entry.json["type"])
            and (self.tag is None or self.tag in entry.tags)
            and (self.job_id is None or self.job_id in {entry.job_id, entry.resource_name})
            and (self.provider is None or self.provider == entry.provider)
            and (self.model is None or self.model == entry.model)
            and (self.sha256 is None or self.sha256 == entry.json["metadata"]["sha256"])
            and (self.created_after is None or entry.created_at >= self.created_after)
            and (self.created_before is None or entry.created_at < self.created_before)
            and (not self.ids or entry.asset_id.lower() in self.ids)
        )

    def place(self, entry: Entry) -> Place:
        """Return the entry's place in the order."""
        return (entry.size_bytes, *entry.order) if self.sort.by_size else entry.order

    def comes_first(self, place: Place, other: Place) -> bool:
        """Return whether a place comes before another one."""
        return place > other if self.sort.descending else place < other

    def cursor(self, last: Place) -> str:
        """Return a place in the list as opaque text that is safe in a URL."""
        content = json.dumps([self.bound_to, *last], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def parse_query(parameters: Iterable[tuple[str, str]], *, caller: str) -> Query:
    """Return the query of that user; a 422 Problem names every wrong parameter, a 400 Problem a wrong cursor."""
    given = list(parameters)
    names = [name for name, _ in given]
    errors = [
        problems.FieldError(f"?{name}", "is not a parameter of this route") for name in names if name not in _PARAMETERS
    ]
    errors += [problems.FieldError(f"?{name}", "is given twice") for name in _PARAMETERS if names.count(name) > 1]
    filters: dict[str, object] = {}
    for name, text in given:
        if name in _FILTERS:
            try:
                field, parse = _FILTERS[name]
                filters[field] = parse(text)
            except ValueError as error:
                errors.append(problems.FieldError(f"?{name}", str(error)))
    if errors:
        raise problems.invalid(errors)
    values = dict(given)
    query = Query(**filters, bound_to=_binding(values, caller))  # type: ignore[arg-type]  # each parser returns its field's type
    if len(query.ids) > query.limit and "limit" not in values:
        query = replace(query, limit=len(query.ids))
    return replace(query, after=_decoded(values["cursor"], query)) if "cursor" in values else query


def _binding(values: Mapping[str, str], caller: str) -> str:
    """Return a short digest of what a page's successor has to have in common with it."""
    common = {name: text for name, text in values.items() if name not in {"cursor", "limit"}}
    content = json.dumps([caller, sorted(common.items())])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _decoded(cursor: str, query: Query) -> Place:
    """Return the place; a 400 Problem for any other text, and for a cursor of another list."""
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError  # noqa: TRY301 - one refusal for all
        bound_to, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        size, order = (place[:1], place[1:]) if query.sort.by_size else ([0], place)
        if bound_to != query.bound_to or not (_is_size(size) and _is_order(order)):
            raise ValueError  # noqa: TRY301 - one refusal for all
    except (ValueError, TypeError, RecursionError):
        detail = "The cursor is not from this service, or of another user, filter or order; start without one."
        raise problems.Problem(
            HTTPStatus.BAD_REQUEST, "invalid-cursor", detail, [problems.FieldError("?cursor", detail)]
        ) from None
    return tuple(place)


def _is_size(parts: Sequence[object]) -> bool:
    (size,) = parts
    return type(size) is int and 0 <= size <= _MAX_BYTES


def _is_order(parts: Sequence[object]) -> bool:
    created_at, _, _ = parts
    return all(isinstance(each, str) for each in parts) and datetime.fromisoformat(str(created_at)).tzinfo is not None


def _one_of(allowed: Iterable[str]) -> Callable[[str], str]:
    names = sorted(allowed)

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return text

    return parse


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= _MAX_LIMIT):  # noqa: PLR2004 - digits of the maximum
        raise ValueError(f"must be a whole number from 1 to {_MAX_LIMIT}")
    return int(text)


def _sort(text: str) -> Sort:
    return Sort(_one_of(Sort)(text))


def _moment(text: str) -> str:
    """Return the time in UTC, rounded up to the second, which is what resources have."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError  # noqa: TRY301 - one refusal for all
        moment = moment.astimezone(UTC) + timedelta(microseconds=-moment.microsecond % 1_000_000)
    except (ValueError, OverflowError):
        raise ValueError("must be a time with its zone, for example 2026-01-01T12:00:00Z") from None
    return moment.isoformat().replace("+00:00", "Z")


def _digest(text: str) -> str:
    if _SHA256.fullmatch(text) is None:
        raise ValueError("must be 64 lower-case hex digits, as `sha256sum` prints them")
    return text


def _ids(text: str) -> frozenset[str]:
    parts = text.split(",", MAX_IDS)
    if len(parts) > MAX_IDS:
        raise ValueError(f"has more than {MAX_IDS} ids")
    try:
        return frozenset(str(UUID(each)) for each in parts)
    except ValueError:
        raise ValueError("must be ids of assets, with commas between them") from None


_FILTERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "limit": ("limit", _limit),
    "sort": ("sort", _sort),
    "status": ("status", _one_of(get_args(schemas.AssetStatus))),
    "type": ("type", _one_of(each.value for each in Kind)),
    "tag": ("tag", str),
    "job_id": ("job_id", str),
    "provider": ("provider", str),
    "model": ("model", str),
    "sha256": ("sha256", _digest),
    "created_after": ("created_after", _moment),
    "created_before": ("created_before", _moment),
    "ids": ("ids", _ids),
    "q": ("words", words.searched),
    "user": ("user", str),
}
"""The field and the parser of each parameter; a parser raises ValueError."""
_PARAMETERS = {*_FILTERS, "cursor"}
