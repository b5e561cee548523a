"""A MediaImport, parsed: a spec that cannot be met is a sentence, a status that cannot be read an empty one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mediaimport_api import names
from mediaimport_api.model import SHA256_PATTERN
from mediaimport_api.sidecar import Owner, source_fingerprint
from mediaimport_api.source_policy import url_host
from mediaimport_api.spec import MAX_METADATA_BYTES, DeletionPolicy, Spec
from mediaimport_api.status import Status
from mediaimport_runtime.kubernetes import objects
from pydantic import ValidationError

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object


_FINGERPRINT = re.compile(SHA256_PATTERN)


@dataclass(frozen=True)
class Claim:
    """An import that wants a slot, or holds one."""

    key: str
    user: str
    created_at: datetime
    expires_at: datetime | None = None
    host: str = ""


@dataclass(frozen=True)
class Resource:
    """One MediaImport. Exactly one of `spec` and `problem` is there."""

    namespace: str
    name: str
    uid: str
    version: str
    generation: int | None
    created_at: datetime
    deleted_at: datetime | None
    finalizers: tuple[str, ...]
    deletes_objects: bool
    run: str
    queue_labels: dict[str, str]
    fingerprint: str | None
    """Of the source that it was before it was gone and made again to be deleted; else its URL's."""
    spec: Spec | None
    problem: str | None
    status: Status
    status_wire: dict[str, Any]

    @property
    def deleting(self) -> bool:
        """Tell whether someone has deleted it."""
        return self.deleted_at is not None

    @property
    def held(self) -> bool:
        """Tell whether our finalizer holds it."""
        return names.STORED_OBJECTS_FINALIZER in self.finalizers

    @property
    def queue(self) -> str | None:
        """Return the name of the Kueue queue that its author chose."""
        return self.queue_labels.get(names.LABEL_QUEUE)

    @property
    def asset_id(self) -> str:
        """Return the asset's id: the spec's, or the resource's own uid."""
        return str(self.spec.asset_id) if self.spec and self.spec.asset_id else self.uid

    @property
    def owner(self) -> Owner:
        """Return what names this resource in a sidecar."""
        return Owner(namespace=self.namespace, name=self.name, uid=self.uid)

    @property
    def claim(self) -> Claim:
        """Return this import's place in the queue."""
        if self.spec is None:
            return Claim(key=self.uid, user="", created_at=self.created_at)
        return Claim(
            key=self.uid,
            user=self.spec.user_id,
            created_at=self.created_at,
            expires_at=self.spec.source.expires_at,
            host=url_host(self.spec.source.url) or "",
        )

    @property
    def completed(self) -> bool:
        """Tell whether the run that the spec asks for has come to its end."""
        return self.status.completed_at is not None and self.status.run == self.run


def read(item: Object) -> Resource:
    """Return the resource in the API's object."""
    meta, raw = item["metadata"], item.get("spec") or {}
    spec, problem = _spec(raw)
    return Resource(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta.get("resourceVersion", ""),
        generation=meta.get("generation"),
        created_at=objects.moment(meta.get("creationTimestamp")) or datetime.max.replace(tzinfo=UTC),
        deleted_at=objects.moment(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
        deletes_objects=raw.get("deletionPolicy") == DeletionPolicy.DELETE,
        run=str(raw.get("run") or ""),
        fingerprint=_fingerprint(meta.get("annotations") or {}, spec),
        queue_labels=_queue_labels(meta.get("labels") or {}),
        spec=spec,
        problem=problem,
        status=_status(item.get("status") or {}),
        status_wire=item.get("status") or {},
    )


def _fingerprint(annotations: dict[str, str], spec: Spec | None) -> str | None:
    told = annotations.get(names.ANNOTATION_FINGERPRINT, "")
    if _FINGERPRINT.fullmatch(told):
        return told
    return None if spec is None else source_fingerprint(spec.source.url)


def _queue_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return Kueue's labels; none without its queue's name."""
    kueues = (names.LABEL_QUEUE, names.LABEL_QUEUE_PRIORITY)
    return {each: labels[each] for each in kueues if each in labels} if labels.get(names.LABEL_QUEUE) else {}


def _spec(raw: dict[str, Any]) -> tuple[Spec | None, str | None]:
    try:
        spec = Spec.model_validate(raw)
    except ValidationError as error:
        # Without the input: a URL's query is no one's business.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return None, f"spec.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    size_bytes = len(objects.json_bytes(spec.metadata or {}))
    if size_bytes > MAX_METADATA_BYTES:
        return None, f"spec.metadata has {size_bytes} bytes of JSON; at most {MAX_METADATA_BYTES} are kept"
    return spec, None


def _status(raw: dict[str, Any]) -> Status:
    try:
        return Status.model_validate(raw)
    except ValidationError:
        # Written by hand or by another version. Jobs tell what runs, and an asset that is stored is found again.
        return Status()
