"""Manifests of MediaImports that the webhook creates, with the labels by which it finds them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5

from mediaimport_api import names
from mediaimport_api.spec import Expected, SecretRef, Source, Spec, StoredObject, ThumbnailSpec

if TYPE_CHECKING:
    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.http import schemas

_IDEMPOTENCY_NAMESPACE = UUID("0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54")
_MAX_LABEL = 63


def requested_manifest(request: schemas.ImportRequest, *, user_id: str, idempotency_key: str | None) -> Resource:
    """Return the import that a caller requests: one for each user and Idempotency-Key, without a key a new one."""
    key = f"{user_id}\0{idempotency_key}"
    asset_id = uuid4() if idempotency_key is None else uuid5(_IDEMPOTENCY_NAMESPACE, key)
    source = Source(url=request.url, headers_secret_ref=_secret(request.source_headers_secret))
    expected = None if request.expected is None else Expected(**request.expected.model_dump())
    return _manifest(request, source, expected, asset_id=asset_id, user_id=user_id)


def uploaded_manifest(request: schemas.UploadRequest, upload_id: UUID, *, user_id: str) -> Resource:
    """Return the import of a user's upload: one for each upload."""
    source = Source(store=StoredObject(key=names.incoming_key(user_id, upload_id)))
    expected = Expected(sha256=request.sha256, size_bytes=request.size_bytes)
    return _manifest(request, source, expected, asset_id=upload_id, user_id=user_id)


def _manifest(
    request: schemas.ImportRequest | schemas.UploadRequest,
    source: Source,
    expected: Expected | None,
    *,
    asset_id: UUID,
    user_id: str,
) -> Resource:
    spec = Spec(
        source=source,
        asset_id=asset_id,
        name=request.name,
        type=request.type,
        user_id=user_id,
        tags=request.tags or None,
        metadata=request.metadata,
        expected=expected,
        undescribed=request.undescribed,
        thumbnail=ThumbnailSpec() if request.thumbnail is None else ThumbnailSpec(**request.thumbnail.model_dump()),
    )
    return manifest_of(f"import-{asset_id}", spec)


def _secret(name: str | None) -> SecretRef | None:
    return None if name is None else SecretRef(name=name)


def manifest_of(name: str, spec: Spec, labels: dict[str, str] | None = None) -> Resource:
    """Return the MediaImport of that name, with the labels by which the webhook finds it."""
    own = {
        names.MANAGED_BY: "mediaimport-webhook",
        names.LABEL_ASSET: str(spec.asset_id),
        names.LABEL_USER: spec.user_id,
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name, "labels": own | (labels or {})},
        "spec": spec.to_wire(),
    }


def label_value(text: str) -> str:
    """Return the text if it is valid as a label's value, else a hash of it."""
    plain = text.isascii() and text.replace("-", "").replace("_", "").isalnum() and len(text) <= _MAX_LABEL
    if plain and text[0].isalnum() and text[-1].isalnum():
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]
