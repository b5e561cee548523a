"""The API server's answers, checked: JSON of another shape is an UnavailableError that names the request.

A proxy on the way can answer anything with 200. Items of a list and events of a watch that are no objects are left out,
since one of them must not hold up the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast, get_args

from mediaimport_runtime.kubernetes.errors import ExpiredError, UnavailableError
from mediaimport_runtime.kubernetes.objects import parsed

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

PAGE = 200
"""The most objects of a list that are asked for at once."""
_MAX_PAGE = 500
PAGE_BYTES = 2 * 1024 * 1024
"""The length of a page. In memory JSON of short values takes up to thirty times its length."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The length of a single object: etcd stores less than 2 MB of one."""
_GONE = 410

ChangeKind = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
_CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)


@dataclass(frozen=True)
class Page:
    """One page of a list; `next` is the continue token, empty on the last page."""

    items: list[Object]
    version: str
    next: str = ""
    left_out: int = 0
    """The number of items that are no objects."""
    size_bytes: int = 0


@dataclass(frozen=True)
class Change:
    """One event of a watch; a BOOKMARK only moves the resourceVersion on."""

    kind: ChangeKind
    resource: Object


class PageSize:
    """The number of objects that a page is asked for: fewer after a page that was too long, more after short ones."""

    def __init__(self) -> None:
        self._limit = _MAX_PAGE

    def limit(self, most: int) -> int:
        """Return the number for the next page."""
        return min(self._limit, most)

    def shrink(self, limit: int) -> None:
        """Take note that a page of so many objects was longer than PAGE_BYTES."""
        self._limit = max(limit // 4, 1)

    def read(self, size_bytes: int) -> None:
        """Take note of the length of a page that was read."""
        if size_bytes < PAGE_BYTES // 4:
            self._limit = min(self._limit * 2, _MAX_PAGE)


def json_object(body: bytes, request: str) -> Object:
    """Return the JSON object in an answer to that request (`GET /api/v1/pods`)."""
    try:
        answer = parsed(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        # A proxy's page, for example.
        raise UnavailableError(f"{request}: the answer is not JSON of the Kubernetes API")
    return cast("Object", answer)


def api_object(answer: Object, request: str) -> Object:
    """Return the answer if it is an object of the API, such as a Job."""
    if not is_object(answer):
        raise UnavailableError(f"{request}: the answer is not an object of the Kubernetes API")
    return answer


def list_page(answer: Object, request: str, *, size_bytes: int = 0) -> Page:
    """Return the answer as a page of a list, without the items that are no objects."""
    about, listed = answer.get("metadata"), answer.get("items", 0)
    # The API server says null where a list of metadata is empty.
    items = [] if listed is None else listed
    if not isinstance(about, dict) or not isinstance(items, list) or not _is_version(about.get("resourceVersion")):
        raise UnavailableError(f"{request}: the answer is not a list of the Kubernetes API")
    objects = [each for each in items if is_object(each)]
    return Page(
        items=objects,
        version=about["resourceVersion"],
        next=str(about.get("continue") or ""),
        left_out=len(items) - len(objects),
        size_bytes=size_bytes,
    )


def watch_event(line: bytes) -> Change | None:
    """Return the event in a line of a watch, None for one whose object is none.

    ExpiredError and UnavailableError for the server's own errors; ValueError for a line that is no event.
    """
    try:
        event = parsed(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or "object" not in event:
        raise ValueError("the line is not an event of a watch")
    resource = event["object"]
    if event.get("type") == "ERROR":
        raise _watch_error(resource)
    kind = next((each for each in _CHANGE_KINDS if each == event.get("type")), None)
    if kind is None:
        raise ValueError("the line is not an event of a watch")
    if kind == "BOOKMARK":
        return Change(kind, resource) if _has_version(resource) else None
    return Change(kind, resource) if is_object(resource) and _has_version(resource) else None


def is_object(item: object) -> TypeGuard[Object]:
    """Return whether the JSON has the shape of any object of the API."""
    if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict):
        return False
    about = item["metadata"]
    strings = all(isinstance(about.get(each, ""), str) for each in ("namespace", "uid", "resourceVersion"))
    maps = all(isinstance(each, dict | None) for each in (about.get("labels"), item.get("spec"), item.get("status")))
    return strings and maps and isinstance(about.get("name"), str) and about["name"] != ""


def _has_version(item: object) -> bool:
    about = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(about, dict) and _is_version(about.get("resourceVersion"))


def _is_version(version: object) -> bool:
    """Return whether the resourceVersion is a number, as Kubernetes promises (KEP-5504)."""
    return isinstance(version, str) and version.isascii() and version.isdecimal()


def _watch_error(status: Any) -> ExpiredError | UnavailableError:  # noqa: ANN401 - any JSON
    about = status if isinstance(status, dict) else {}
    if about.get("code") == _GONE:
        return ExpiredError("the watch's place is gone", status=_GONE)
    return UnavailableError(f"the watch ended: {about.get('reason')}")
