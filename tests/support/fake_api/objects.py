"""The objects of the fake API server: resourceVersions, preconditions, subresources, a history for watches."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mediaimport_runtime.kubernetes.objects import Object

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<kind>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>[^/]+))?"
)
_WITH_STATUS = frozenset({"mediaimports", "jobs", "pods"})
_REQUIREMENT = re.compile(
    r"(?P<label>[^\s=!,]+)\s*(?:(?P<sign>==?|!=)\s*(?P<value>[^,]*)|(?P<none>not)?in\s*\((?P<values>[^)]*)\))?"
)


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer that is not 2xx."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Object:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }


class Target(NamedTuple):
    """The place that a path names; empty strings for what it leaves out."""

    group: str
    version: str
    namespace: str
    kind: str
    name: str
    part: str

    @classmethod
    def parse(cls, path: str) -> Target:
        match = _PATH.fullmatch(path)
        if match is None:
            raise Refusal(404, "NotFound", f"the server could not find {path}")
        return cls(**{name: value or "" for name, value in match.groupdict().items()})


class Event(NamedTuple):
    """A change, as a watch reports it; `before` is the object that it replaced."""

    type: str
    version: int
    kind: str
    item: Object
    before: Object | None


@dataclass
class Objects:
    """All objects, by kind, then by namespace and name."""

    version: int = 100
    items: dict[str, dict[tuple[str, str], Object]] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    oldest: int = 0
    """A watch from before this version is answered 410."""
    listeners: set[Callable[[], object]] = field(default_factory=set)
    """Called after each change, by whoever makes it."""

    def of(self, kind: str, namespace: str = "") -> list[Object]:
        return [
            item for (place, _), item in sorted(self.items.get(kind, {}).items()) if not namespace or place == namespace
        ]

    def get(self, at: Target) -> Object:
        try:
            return self.items[at.kind][at.namespace, at.name]
        except KeyError:
            raise Refusal(404, "NotFound", f'{at.kind} "{at.name}" not found') from None

    def create(self, at: Target, body: Object) -> Object:
        item = copy.deepcopy(body)
        meta = item.setdefault("metadata", {})
        if "name" not in meta:
            meta["name"] = f"{meta['generateName']}{uuid4().hex[:5]}"
        if (at.namespace, meta["name"]) in self.items.get(at.kind, {}):
            raise Refusal(409, "AlreadyExists", f'{at.kind} "{meta["name"]}" already exists')
        if at.kind in _WITH_STATUS:
            item.pop("status", None)
        meta |= {"namespace": at.namespace, "uid": str(uuid4()), "generation": 1, "creationTimestamp": _now()}
        return self._store("ADDED", at.kind, item, None)

    def put(self, kind: str, item: Object) -> Object:
        """Store an object as it is, with its status: what somebody else has written."""
        item = copy.deepcopy(item)
        meta = item["metadata"]
        before = self.items.get(kind, {}).get((meta["namespace"], meta["name"]))
        meta.setdefault("uid", before["metadata"]["uid"] if before else str(uuid4()))
        meta.setdefault("creationTimestamp", _now())
        return self._store("MODIFIED" if before else "ADDED", kind, item, before)

    def replace(self, at: Target, body: Object) -> Object:
        before = self.get(at)
        self._check_version(at, before, body)
        return self._write(at, before, copy.deepcopy(body))

    def patch(self, at: Target, patch: Object) -> Object:
        before = self.get(at)
        self._check_version(at, before, patch)
        return self._write(at, before, merged(before, patch))

    def _write(self, at: Target, before: Object, after: Object) -> Object:
        """Keep the half of the object that the subresource does not own."""
        if at.part == "status":
            after = {**before, "status": after.get("status", {})}
        elif at.kind in _WITH_STATUS:
            after.pop("status", None)
            after |= {"status": before["status"]} if "status" in before else {}
        fixed = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp")
        meta = {name: value for name, value in before["metadata"].items() if name in fixed}
        after["metadata"] = {**(before if at.part == "status" else after)["metadata"], **meta}
        if "deletionTimestamp" in meta and not after["metadata"].get("finalizers"):
            return self._store("DELETED", at.kind, after, before)
        return self._store("MODIFIED", at.kind, after, before)

    def delete(self, at: Target, options: Object) -> Object:
        before = self.get(at)
        for name, value in (options.get("preconditions") or {}).items():
            if before["metadata"][name] != value:
                raise Refusal(409, "Conflict", f"the {name} in the precondition is not that of {at.name}")
        if before["metadata"].get("finalizers"):
            meta = {**before["metadata"], "deletionTimestamp": _now()}
            return self._store("MODIFIED", at.kind, {**before, "metadata": meta}, before)
        self._store("DELETED", at.kind, before, before)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"name": at.name}}

    def compact(self) -> None:
        """Forget the history: watches and continue tokens from before are answered 410."""
        self.oldest = self.version + 1
        self.version += 1
        self.history.clear()
        self._tell()

    def _check_version(self, at: Target, before: Object, body: Object) -> None:
        version = body.get("metadata", {}).get("resourceVersion")
        if version is not None and version != before["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", f'the object has been modified: {at.kind} "{at.name}"')

    def _store(self, change: str, kind: str, item: Object, before: Object | None) -> Object:
        self.version += 1
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        place = (item["metadata"]["namespace"], item["metadata"]["name"])
        kept = self.items.setdefault(kind, {})
        if change == "DELETED":
            kept.pop(place, None)
        else:
            kept[place] = item
        self.history.append(Event(change, self.version, kind, item, before))
        self._tell()
        return copy.deepcopy(item)

    def _tell(self) -> None:
        for each in tuple(self.listeners):
            each()


def selects(selector: str, item: Object) -> bool:
    """Return whether a label selector selects the object."""
    labels = item["metadata"].get("labels") or {}
    return all(_holds(match, labels) for match in _REQUIREMENT.finditer(selector))


def _holds(match: re.Match[str], labels: Mapping[str, str]) -> bool:
    value = labels.get(match["label"])
    if match["values"] is not None:
        is_one = value in {each.strip() for each in match["values"].split(",")}
        return is_one is (match["none"] is None)
    if match["sign"] is None:
        return value is not None
    return (value == match["value"]) is (match["sign"] != "!=")


def merged(before: Object, patch: Object) -> Object:
    """Return the object after a JSON merge patch."""
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            inner = after.get(name)
            after[name] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            after[name] = value
    return after


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
