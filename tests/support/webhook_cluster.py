"""The webhook's Kubernetes API in memory: one namespace, with versions, a watch and ways to fail."""

from __future__ import annotations

import asyncio
import copy
import re
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from mediaimport_runtime.kubernetes.answers import Change, Page
from mediaimport_runtime.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidError,
    UnavailableError,
)
from mediaimport_runtime.kubernetes.objects import json_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from mediaimport_webhook.cluster import Resource


class FakeCluster:
    """One namespace in memory, with versions, a watch and ways to fail."""

    def __init__(self) -> None:
        self.version = 100
        self.imports: dict[str, Resource] = {}
        self.leases: dict[str, Resource] = {}
        self.held_leases: set[str] = set()
        """Leases that a finalizer holds."""
        self.patches_fail = False
        self.events: list[tuple[str, str]] = []
        self.calls: list[str] = []
        self.down = False
        self.minute = "2026-01-01T00:00"
        """Minute in which resources are created."""
        self.creations_left = -1
        """Number of creations until the API server fails; negative for none."""
        self.refusal: str | None = None
        self.refuses: Callable[[Resource], bool] = lambda _: False
        """Manifests that a rule of the cluster refuses."""
        self.delete_refusal: str | None = None
        self.interruptions = 0
        self.history: list[Change] = []
        self.oldest = 0
        self.page_size = 1000
        self._changed = asyncio.Condition()

    async def create_import(self, manifest: Resource) -> Resource:
        self._called("create_import")
        json_bytes(manifest)  # UnicodeEncodeError: the API server keeps no half surrogate pair
        name = manifest["metadata"]["name"]
        if self.refusal is not None or self.refuses(manifest):
            raise InvalidError(self.refusal or "a rule of the cluster refuses it")
        if name in self.imports:
            raise AlreadyExistsError
        if self.creations_left == 0:
            raise UnavailableError("down")
        self.creations_left -= 1
        moment = f"{self.minute}:{len(self.imports) % 60:02d}Z"
        about = manifest["metadata"] | {"uid": str(uuid4()), "creationTimestamp": moment}
        return await self.write(manifest | {"metadata": about})

    async def write(self, resource: Resource) -> Resource:
        """Store a resource as somebody else would, and tell the watches."""
        name = resource["metadata"]["name"]
        self.version += 1
        stored = copy.deepcopy(resource)
        stored["metadata"]["resourceVersion"] = str(self.version)
        kind: Literal["ADDED", "MODIFIED"] = "MODIFIED" if name in self.imports else "ADDED"
        self.imports[name] = stored
        await self._note(Change(kind, stored))
        return copy.deepcopy(stored)

    async def remove(self, name: str) -> None:
        """Delete a resource as somebody else would."""
        self.version += 1
        gone = copy.deepcopy(self.imports.pop(name))
        gone["metadata"]["resourceVersion"] = str(self.version)
        await self._note(Change("DELETED", gone))

    async def cut(self) -> None:
        """Forget all history: every watch must list again."""
        self.oldest = self.version + 1
        self.version += 1
        async with self._changed:
            self._changed.notify_all()

    async def get_import(self, name: str) -> Resource | None:
        self._called("get_import")
        return copy.deepcopy(self.imports.get(name))

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        self._called("patch_import")
        if name not in self.imports:
            return None
        resource = copy.deepcopy(self.imports[name])
        about = patch.get("metadata", {})
        if (
            about.get("resourceVersion", resource["metadata"]["resourceVersion"])
            != resource["metadata"]["resourceVersion"]
        ):
            raise ConflictError
        spec = patch.get("spec", {})
        if self.delete_refusal is not None and spec.get("deletionPolicy") == "Delete":
            raise InvalidError(self.delete_refusal)
        annotations = resource["metadata"].get("annotations", {}) | about.get("annotations", {})
        resource["metadata"] |= about | ({"annotations": annotations} if annotations else {})
        resource["spec"] |= spec
        return await self.write(resource)

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        self._called("delete_import")
        resource = copy.deepcopy(self.imports[name])
        if self.interruptions:
            self.interruptions -= 1
            await self.write(resource)
        if self.imports[name]["metadata"]["resourceVersion"] != version:
            raise ConflictError
        if not resource["metadata"].get("finalizers"):
            await self.remove(name)
            return None
        resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return await self.write(resource)

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        self._called("list_imports" if labels is None else "find_imports")
        found = [
            copy.deepcopy(each)
            for each in self.imports.values()
            if (labels or {}).items() <= each["metadata"].get("labels", {}).items()
        ]
        start, size = int(after or 0), min(limit, self.page_size)
        rest = str(start + size) if start + size < len(found) else ""
        return Page(found[start : start + size], str(self.version), rest)

    async def watch_imports(self, version: str) -> AsyncIterator[Change]:
        self._called("watch_imports")
        place = int(version)
        while True:
            async with self._changed:
                while self.version <= place and not self.down:
                    await self._changed.wait()
            if self.down:
                raise UnavailableError("down")
            if place < self.oldest:
                raise ExpiredError
            for change in [each for each in self.history if int(each.resource["metadata"]["resourceVersion"]) > place]:
                yield copy.deepcopy(change)
            place = self.version

    async def import_names(self, labels: Mapping[str, str]) -> frozenset[str]:
        self._called("import_names")
        return frozenset(
            name for name, each in self.imports.items() if labels.items() <= each["metadata"].get("labels", {}).items()
        )

    async def create_lease(self, manifest: Resource) -> Resource:
        self._called("create_lease")
        json_bytes(manifest)
        if manifest["metadata"]["name"] in self.leases:
            raise AlreadyExistsError
        return self._write_lease(manifest)

    async def get_lease(self, name: str) -> Resource | None:
        self._called("get_lease")
        return copy.deepcopy(self.leases.get(name))

    async def patch_lease(self, name: str, patch: Resource) -> Resource | None:
        self._called("patch_lease")
        if self.patches_fail:
            raise UnavailableError("down")
        if name not in self.leases:
            return None
        lease = copy.deepcopy(self.leases[name])
        version = lease["metadata"]["resourceVersion"]
        if patch["metadata"].get("resourceVersion", version) != version:
            raise ConflictError
        for part in ("annotations", "labels"):
            lease["metadata"][part] |= patch["metadata"].get(part, {})
        return self._write_lease(lease)

    async def delete_lease(self, name: str) -> None:
        self._called("delete_lease")
        if name not in self.held_leases:
            self.leases.pop(name, None)

    async def lease_names(self, selector: str) -> list[str]:
        self._called("lease_names")
        return [each["metadata"]["name"] for each in self._selected(selector)]

    async def list_leases(self, selector: str) -> list[Resource]:
        self._called("list_leases")
        return copy.deepcopy(self._selected(selector))

    def _selected(self, selector: str) -> list[Resource]:
        found = [each for each in self.leases.values() if _is_selected(each["metadata"]["labels"], selector)]
        return found[: self.page_size]

    def _write_lease(self, lease: Resource) -> Resource:
        self.version += 1
        stored = copy.deepcopy(lease)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.leases[stored["metadata"]["name"]] = stored
        return copy.deepcopy(stored)

    async def post_event(self, *, reason: str, message: str) -> None:
        self._called("post_event")
        json_bytes(message)
        self.events.append((reason, message))

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.down:
            raise UnavailableError("down", retry_after_s=7)

    async def _note(self, change: Change) -> None:
        self.history.append(change)
        async with self._changed:
            self._changed.notify_all()


def _is_selected(labels: Mapping[str, str], selector: str) -> bool:
    """Tell whether a label selector of `key`, `key=value` and `key notin (values)` selects the labels."""
    terms = [each.partition(" notin ") for each in re.split(r",(?![^(]*\))", selector)]
    excluded = {key: values.strip("()").split(",") for key, _, values in terms if values}
    wanted = [key.partition("=") for key, _, values in terms if not values]
    return all(labels.get(key) not in values for key, values in excluded.items()) and all(
        labels.get(key) == value if equals else key in labels for key, equals, value in wanted
    )
