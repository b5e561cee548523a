"""A MediaImport, parsed from the API's object.

A spec that is not valid becomes a validation error. Fields of the spec, and whatever stands in the status, that this
release does not know are passed over, as a newer release may have written them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mediaimport_api import json_depth, names
from mediaimport_api.model import MAX_COUNT, SHA256_PATTERN
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Owner, source_fingerprint
from mediaimport_api.source_policy import url_host
from mediaimport_api.spec import DeletionPolicy, Spec
from mediaimport_api.status import ConditionType, Status
from mediaimport_runtime.kubernetes import objects
from pydantic import ValidationError

if TYPE_CHECKING:
    from mediaimport_api.status import Asset
    from mediaimport_runtime.kubernetes.objects import Object
    from pydantic_core import ErrorDetails


_FINGERPRINT = re.compile(SHA256_PATTERN)
_USER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_KEY = re.compile(r"media/(?P<user>[^/]+)/(?P<asset>[^/]+)/")
"""`AssetKeys.prefix`."""


@dataclass(frozen=True)
class Claim:
    """An import's place in the queue: the user, the source's host and the times that decide when it gets a slot."""

    key: str
    user: str
    created_at: datetime
    expires_at: datetime | None = None
    host: str = ""


@dataclass(frozen=True)
class Resource:
    """One MediaImport. Exactly one of `spec` and `validation_error` is set."""

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
    user_id: str
    asset_id: str
    """Under these names its asset is stored, also if this release refuses the spec; no user if nothing tells it."""
    fingerprint: str | None
    """The source's: from the annotation of a resource that was recreated for its deletion, else of its location."""
    recorded: str | None
    """The `completedAt` of the run that the webhook has recorded."""
    spec: Spec | None
    validation_error: str | None
    unknown_fields: tuple[str, ...]
    """Fields of the spec that a newer release knows: `spec.source.later`."""
    status: Status
    raw_status: dict[str, Any]

    @property
    def deleting(self) -> bool:
        """True once a deletion has been requested."""
        return self.deleted_at is not None

    @property
    def has_finalizer(self) -> bool:
        """True if our finalizer is set."""
        return names.STORED_OBJECTS_FINALIZER in self.finalizers

    @property
    def queue(self) -> str | None:
        """The Kueue queue that its author chose."""
        return self.queue_labels.get(names.LABEL_QUEUE)

    @property
    def owner(self) -> Owner:
        """The names by which a sidecar refers to this resource."""
        return Owner(namespace=self.namespace, name=self.name, uid=self.uid)

    @property
    def claim(self) -> Claim:
        """This import's place in the queue."""
        if self.spec is None:
            return Claim(key=self.uid, user="", created_at=self.created_at)
        return Claim(
            key=self.uid,
            user=self.spec.user_id,
            created_at=self.created_at,
            expires_at=self.spec.source.expires_at,
            host=url_host(self.spec.source.location) or "",
        )

    @property
    def completed(self) -> bool:
        """True if the run that the spec asks for has ended."""
        return self.status.completed_at is not None and self.status.run == self.run


class Due(Enum):
    """The next reconcile that a MediaImport needs without a change of it, its Jobs or its pods."""

    NEVER = auto()
    """It is completed, and nobody is still to be told of it."""
    AFTER_TTL = auto()
    """It is completed, and deleted one day."""
    NOW = auto()


def due(item: Object, *, ttl_by_default: bool = False) -> Due:
    """Return when an import needs a reconcile, from the API's object alone: to parse it costs ten times as much.

    `ttl_by_default`: a completed import whose spec has no time to live is deleted one day, too.
    """
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    if "completedAt" not in status or str(status.get("run") or "") != str(spec.get("run") or ""):
        return Due.NOW
    if "deletionTimestamp" in meta or status.get("observedGeneration") != meta.get("generation"):
        return Due.NOW
    has_finalizer = names.STORED_OBJECTS_FINALIZER in (meta.get("finalizers") or ())
    if has_finalizer != (spec.get("deletionPolicy") == DeletionPolicy.DELETE):
        return Due.NOW
    untold = objects.condition(item, ConditionType.NOTIFIED, status="False") or {}
    is_untold = untold.get("reason") == Reason.NOTIFICATION_PENDING
    if is_untold or objects.true_condition(item, ConditionType.RECONCILING) is not None:
        return Due.NOW
    unrecorded = objects.condition(item, ConditionType.RECORDED, status="False")
    if unrecorded is not None and _recorded(meta) == status["completedAt"]:
        return Due.NOW
    return Due.NEVER if spec.get("ttlSecondsAfterFinished") is None and not ttl_by_default else Due.AFTER_TTL


def _recorded(meta: Object) -> str | None:
    recorded: str | None = (meta.get("annotations") or {}).get(names.ANNOTATION_RECORDED)
    return recorded


def read(item: Object) -> Resource:
    """Return the resource in the API's object."""
    meta, given = item["metadata"], item.get("spec")
    raw = given if isinstance(given, dict) else {}
    cut_error = json_depth.cut_field_error(item)
    spec, validation_error, unknown_fields = _spec(raw) if cut_error is None else (None, cut_error, ())
    status = read_status(item)
    user_id, asset_id = _stored_under(raw, spec, status.asset)
    return Resource(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta.get("resourceVersion", ""),
        generation=None if meta.get("generation") is None else min(meta["generation"], MAX_COUNT),
        created_at=objects.moment(meta.get("creationTimestamp")) or datetime.max.replace(tzinfo=UTC),
        deleted_at=objects.moment(meta.get("deletionTimestamp")),
        finalizers=tuple(meta.get("finalizers") or ()),
        deletes_objects=raw.get("deletionPolicy") == DeletionPolicy.DELETE,
        run=str(raw.get("run") or ""),
        user_id=user_id,
        asset_id=asset_id or meta["uid"],
        fingerprint=_fingerprint(meta.get("annotations") or {}, _location(raw, spec)),
        queue_labels=_queue_labels(meta.get("labels") or {}),
        recorded=_recorded(meta),
        spec=spec,
        validation_error=validation_error,
        unknown_fields=unknown_fields,
        status=status,
        raw_status=item.get("status") or {},
    )


def _stored_under(raw: Object, spec: Spec | None, stored: Asset | None) -> tuple[str, str | None]:
    """Return user and asset id of what the import stores; of a refused spec, what the status or the spec still says.

    Both fields are immutable, so an earlier release stored the asset under the same names.
    """
    if spec is not None:
        return spec.user_id, str(spec.asset_id) if spec.asset_id else None
    if stored is not None and (under := _KEY.match(stored.key)):
        return under["user"], under["asset"]
    user, asset = raw.get("userId", Spec.model_fields["user_id"].default), raw.get("assetId")
    valid_user = isinstance(user, str) and _USER.fullmatch(user)
    valid_asset = isinstance(asset, str) and _UUID.fullmatch(asset)
    return user if valid_user else "", str(UUID(asset)) if valid_asset else None


def _location(raw: Object, spec: Spec | None) -> str | None:
    """Return `Source.location`, also of a refused spec."""
    if spec is not None:
        return spec.source.location
    source = raw.get("source")
    if not isinstance(source, dict):
        return None
    url, store = source.get("url"), source.get("store")
    if isinstance(url, str):
        return url
    key = store.get("key") if isinstance(store, dict) else None
    return f"store:{key}" if isinstance(key, str) else None


def _fingerprint(annotations: dict[str, str], location: str | None) -> str | None:
    annotated = annotations.get(names.ANNOTATION_FINGERPRINT, "")
    if _FINGERPRINT.fullmatch(annotated):
        return annotated
    return None if location is None else source_fingerprint(location)


def _queue_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return Kueue's labels; none if the queue's name is missing."""
    kueue_labels = (names.LABEL_QUEUE, names.LABEL_QUEUE_PRIORITY)
    return {each: labels[each] for each in kueue_labels if each in labels} if labels.get(names.LABEL_QUEUE) else {}


def _spec(raw: Object) -> tuple[Spec | None, str | None, tuple[str, ...]]:
    """Return the spec, or why it is not valid; and the fields that are unknown to this release."""
    unknown: list[tuple[int | str, ...]] = []
    try:
        try:
            spec = Spec.model_validate(raw)
        except ValidationError as error:
            unknown = [each["loc"] for each in _errors(error) if each["type"] == "extra_forbidden"]
            spec = Spec.model_validate(_without(raw, unknown))
    except ValidationError as error:
        first = _errors(error)[0]
        return None, f"{_path(first['loc'])}: {first['msg'].removeprefix('Value error, ')}", ()
    except Exception as error:  # noqa: BLE001 - whatever the API server has stored must not end in a reconcile's error
        return None, f"the spec cannot be read ({type(error).__name__})", ()
    return spec, None, tuple(map(_path, unknown))


def _errors(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors without the input: a URL's query is secret."""
    return error.errors(include_url=False, include_input=False, include_context=False)


def _path(place: tuple[int | str, ...]) -> str:
    return ".".join(("spec", *map(str, place)))


def _without(raw: Object, places: list[tuple[int | str, ...]]) -> Object:
    """Return a copy without the fields in those places."""
    copy = dict(raw)
    for first, *rest in places:
        if rest:
            copy[str(first)] = _without(copy[str(first)], [tuple(rest)])
        else:
            copy.pop(str(first), None)
    return copy


def read_status(item: Object) -> Status:
    """Return what can be read of the resource's status: another release may have written it, or a hand.

    Without one, running Jobs are adopted, and a stored asset is found by its sidecar.
    """
    try:
        return Status.read(item.get("status") or {})
    except Exception:  # noqa: BLE001 - as above
        return Status()
